//! What becomes of how calls prove who sends them (W2).

use angarium_model::{Authentication, SecretText, Signing};

use crate::refusal::Refusal;

/// What a webhook's authentication becomes.
#[derive(Debug)]
pub(crate) enum NewAuthentication {
    None,
    /// Signed with a secret that the caller brought along.
    Signed(NewSecret),
    /// Signed with the secrets there are, or with this new one.
    KeepOr(NewSecret),
    /// By what calls carry as it is; what is absent of it is kept.
    Carried(Authentication),
}

/// A secret that a webhook gets.
#[derive(Debug)]
pub(crate) struct NewSecret {
    pub(crate) secret: SecretText,
    /// When, Unix milliseconds.
    pub(crate) at_ms: i64,
}

impl NewSecret {
    /// Alone: whatever signed before ends at once.
    fn alone(self) -> Authentication {
        Authentication::Signature(Signing::new(self.secret, self.at_ms))
    }

    /// Whether it is the current one already.
    fn is_current(&self, signing: &Signing) -> bool {
        signing.secret.as_ref() == Some(&self.secret)
    }
}

/// The authentication as it will be, and whether it has a new secret that signs.
///
/// # Errors
/// When calls shall carry what nobody has given, or would carry it to an address that it was not given for.
pub(super) fn applied(
    new: Option<NewAuthentication>,
    current: Authentication,
    leads_elsewhere: bool,
) -> Result<(Authentication, bool), Refusal> {
    match (new, current) {
        (None, kept) => kept_for(kept, leads_elsewhere).map(|kept| (kept, false)),
        (Some(NewAuthentication::None), _) => Ok((Authentication::None, false)),
        (
            Some(NewAuthentication::KeepOr(_)),
            kept @ Authentication::Signature(Signing { secret: Some(_), .. }),
        ) => Ok((kept, false)),
        (Some(NewAuthentication::Signed(given)), Authentication::Signature(signing))
            if given.is_current(&signing) =>
        {
            // What signs beside it goes on.
            Ok((Authentication::Signature(signing), true))
        }
        (Some(NewAuthentication::Signed(given) | NewAuthentication::KeepOr(given)), _) => {
            Ok((given.alone(), true))
        }
        (Some(NewAuthentication::Carried(given)), current) => {
            carried(given, current, leads_elsewhere).map(|carried| (carried, false))
        }
    }
}

/// What calls will carry: what was brought along, or else what they carry already.
fn carried(
    mut given: Authentication,
    current: Authentication,
    leads_elsewhere: bool,
) -> Result<Authentication, Refusal> {
    let kept = match (&mut given, current) {
        (Authentication::Basic { password, .. }, Authentication::Basic { password: kept, .. })
            if password.is_none() =>
        {
            *password = kept;
            true
        }
        (
            Authentication::Header { name, value },
            Authentication::Header {
                name: same,
                value: kept,
            },
        ) if value.is_none() && *name == same => {
            *value = kept;
            true
        }
        _ => false,
    };
    if given.credential().is_none() {
        return Err(wrong(&given, "is required: there is none that could be kept"));
    }
    if kept {
        return kept_for(given, leads_elsewhere);
    }
    Ok(given)
}

/// What calls carry is given for an address: whoever may change the URL alone does not get it sent elsewhere, to another
/// tenant of the same host neither.
fn kept_for(kept: Authentication, leads_elsewhere: bool) -> Result<Authentication, Refusal> {
    if leads_elsewhere && kept.credential().is_some() {
        return Err(wrong(
            &kept,
            "must be given along: target_url changes, and it was given for the address before",
        ));
    }
    Ok(kept)
}

fn wrong(authentication: &Authentication, message: &str) -> Refusal {
    let field = angarium_webhooks::credential_field(authentication);
    Refusal::field(&format!("webhook.{field}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: Option<&str>) -> Authentication {
        Authentication::Basic {
            username: username.into(),
            password: password.map(|text| SecretText::new(text.into())),
        }
    }

    fn header(name: &str, value: Option<&str>) -> Authentication {
        Authentication::Header {
            name: name.into(),
            value: value.map(|text| SecretText::new(text.into())),
        }
    }

    fn change(
        given: Authentication,
        current: &Authentication,
        leads_elsewhere: bool,
    ) -> Option<Authentication> {
        let new = Some(NewAuthentication::Carried(given));
        let applied = applied(new, current.clone(), leads_elsewhere).ok()?;
        assert!(!applied.1, "it is not shown");
        Some(applied.0)
    }

    #[test]
    fn w2_what_calls_carry_is_kept_unless_another_is_given() {
        let current = basic("a", Some("p"));
        assert_eq!(
            change(basic("b", None), &current, false),
            Some(basic("b", Some("p")))
        );
        assert_eq!(
            change(basic("b", Some("q")), &current, false),
            Some(basic("b", Some("q")))
        );
        assert_eq!(change(header("x", None), &current, false), None);
        let current = header("x", Some("v"));
        assert_eq!(change(header("x", None), &current, false), Some(current.clone()));
        assert_eq!(change(header("y", None), &current, false), None, "another header");
        assert_eq!(change(basic("a", None), &Authentication::None, false), None);
    }

    #[test]
    fn w2_what_calls_carry_goes_to_no_address_that_it_was_not_given_for() {
        for current in [basic("a", Some("p")), header("x", Some("v"))] {
            assert!(applied(None, current.clone(), true).is_err());
            assert!(applied(None, current.clone(), false).is_ok());
            assert_eq!(
                change(current.clone(), &current, true),
                Some(current.clone()),
                "given along"
            );
        }
        assert_eq!(change(basic("a", None), &basic("a", Some("p")), true), None);
        let signed = Authentication::Signature(Signing::new(SecretText::new("s".into()), 1));
        assert!(
            applied(None, signed, true).is_ok(),
            "a signature tells nobody its secret"
        );
    }
}
