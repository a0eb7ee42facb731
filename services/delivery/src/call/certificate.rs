//! Whom TLS trusts, and what is wrong with a receiver's certificate, in words that its administrator can act on.

use std::error::Error;
use std::io;

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

/// Certificate authorities that are trusted beside the public ones: a company's own, for receivers within it.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Not the certificates of authorities.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuthorities {
    /// It is no PEM.
    #[error("it is no file of PEM certificates")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// There is none in it.
    #[error(
        "there is no certificate in it: it must hold at least one between `BEGIN CERTIFICATE` and `END CERTIFICATE`"
    )]
    Empty,
    /// One of them is no certificate.
    #[error("its certificate no. {number} cannot be read")]
    Certificate {
        /// Which, from 1.
        number: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl Authorities {
    /// From a file of PEM certificates.
    ///
    /// # Errors
    /// When it is none, has none, or has one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidAuthorities> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(InvalidAuthorities::Pem)?;
        if certificates.is_empty() {
            return Err(InvalidAuthorities::Empty);
        }
        let authorities = Self(certificates);
        authorities
            .add_to(&mut RootCertStore::empty())
            .map_err(|(index, source)| InvalidAuthorities::Certificate {
                number: index + 1,
                source,
            })?;
        Ok(authorities)
    }

    /// Those that browsers trust, and these.
    pub(super) fn with_public(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        self.add_to(&mut roots).map_err(|(_, error)| error)?;
        Ok(roots)
    }

    fn add_to(&self, roots: &mut RootCertStore) -> Result<(), (usize, rustls::Error)> {
        for (index, certificate) in self.0.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| (index, error))?;
        }
        Ok(())
    }
}

/// What is wrong with the certificate, if it is that for which a handshake failed.
pub(super) fn fault(error: &io::Error, host: &str) -> Option<String> {
    let source = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    let rustls::Error::InvalidCertificate(wrong) = source?.downcast_ref::<rustls::Error>()? else {
        return None;
    };
    Some(match wrong {
        CertificateError::Expired => "it has expired: renew it".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it expired on {}: renew it", day(not_after.as_secs()))
        }
        CertificateError::NotValidYet => "it is not valid yet: one of the clocks is wrong".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "it is not valid before {}: give the receiver the right one, or set the clock right",
            day(not_before.as_secs())
        ),
        CertificateError::NotValidForName => format!("it is not for {host}"),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "it is for {}, not for {host}: use a name of the certificate in the URL, or give the receiver one for {host}",
            named(presented)
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted here has issued it: the receiver must send the \
             intermediate certificates along, and may not have signed it itself; an authority of your own is \
             named in `delivery.ca_file`"
                .to_owned()
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority, which no server may show, as `openssl req -x509` makes it: make one \
             with `basicConstraints=CA:FALSE`"
                .to_owned()
        }
        CertificateError::Revoked => "it was revoked: replace it".to_owned(),
        CertificateError::BadEncoding => "it cannot be read".to_owned(),
        other => other.to_string(),
    })
}

fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(
        || format!("the Unix time {seconds}"),
        |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Whom a certificate is for, as the TLS library lists it; a few of many.
fn named(presented: &[String]) -> String {
    /// Of them, so that the text stays short.
    const SHOWN: usize = 3;
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    match presented.len() {
        0 => "no name at all".to_owned(),
        count => {
            let shown: Vec<_> = presented.iter().take(SHOWN).map(plain).collect();
            let rest = count.saturating_sub(SHOWN);
            let more = if rest == 0 {
                String::new()
            } else {
                format!(" and {rest} more")
            };
            format!("{}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_authority_is_told() {
        let told = |pem: &[u8]| Authorities::from_pem(pem).unwrap_err().to_string();
        assert!(told(b"").starts_with("there is no certificate in it"));
        assert!(
            told(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                .starts_with("there is no certificate")
        );
        let unended = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert_eq!(told(unended), "it is no file of PEM certificates");
        let garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(told(garbled), "its certificate no. 1 cannot be read");
    }

    #[test]
    fn names_of_a_certificate_are_few_and_plain() {
        let names = |names: &[&str]| named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]), "no name at all");
        assert_eq!(
            names(&["DnsName(\"a.example\")", "IpAddress(192.0.2.1)"]),
            "a.example, 192.0.2.1"
        );
        assert_eq!(names(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
