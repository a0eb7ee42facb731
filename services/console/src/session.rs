//! Who is signed in.
//!
//! Whoever signs in leaves an API key here, and gets a cookie that names where it is: 128 random bits, and a MAC of them, so that
//! what we did not give out is refused before anything is looked up. The key itself never goes back to the browser. Sessions
//! are in memory: a restart signs everybody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_runtime::access::OperatorKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

/// Sessions at once; the one that was used longest ago makes room. Each takes a few hundred bytes.
const MOST: usize = 10_000;
/// A working day; then the key is asked for again, whether the session is used or not.
const LONGEST: Duration = Duration::from_hours(12);
/// A screen that nobody looks at any more.
const IDLE: Duration = Duration::from_hours(2);

/// Someone who is signed in.
#[derive(Debug)]
pub(crate) struct Session {
    /// What they may do is what this key may.
    pub(crate) key: OperatorKey,
    /// What each form of theirs has to carry.
    pub(crate) csrf: String,
    /// What the page calls them.
    pub(crate) name: String,
    /// Nobody signed in: `angarium dev`.
    pub(crate) local: bool,
}

#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    born: Instant,
    seen: Instant,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    kept: Mutex<HashMap<String, Kept>>,
    mac: [u8; 32],
    secure: bool,
    local: Option<Arc<Session>>,
}

impl Sessions {
    /// None yet. `secure`: cookies are for https alone.
    pub(crate) fn new(secure: bool, local: Option<OperatorKey>) -> Self {
        let local = local.map(|key| {
            Arc::new(Session {
                key,
                csrf: random(),
                name: "local operator".to_owned(),
                local: true,
            })
        });
        Self {
            kept: Mutex::default(),
            mac: rand::random(),
            secure,
            local,
        }
    }

    /// Who everybody is where nobody signs in.
    pub(crate) const fn local(&self) -> Option<&Arc<Session>> {
        self.local.as_ref()
    }

    /// The name of the session's cookie. With the prefix, browsers take it from this very host alone, over https.
    pub(crate) const fn cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-angarium"
        } else {
            "angarium"
        }
    }

    /// The name of the cookie that binds the sign-in form to its browser.
    pub(crate) const fn form_cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-angarium-form"
        } else {
            "angarium-form"
        }
    }

    /// A `set-cookie` that lasts as long as the browser, or, without a value, ends the cookie.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = if value.is_empty() { "; Max-Age=0" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
    }

    /// Signs in the bearer of a key; what the cookie is to say.
    pub(crate) fn open(&self, key: OperatorKey, name: String) -> String {
        self.open_at(Instant::now(), key, name)
    }

    fn open_at(&self, now: Instant, key: OperatorKey, name: String) -> String {
        let id = random();
        let session = Arc::new(Session {
            key,
            csrf: random(),
            name,
            local: false,
        });
        let mut kept = self.kept();
        kept.retain(|_, kept| kept.is_good(now));
        if kept.len() >= MOST
            && let Some(oldest) = kept
                .iter()
                .min_by_key(|(_, kept)| kept.seen)
                .map(|(id, _)| id.clone())
        {
            kept.remove(&oldest);
        }
        let signed = self.sign(&id);
        kept.insert(
            id,
            Kept {
                session,
                born: now,
                seen: now,
            },
        );
        signed
    }

    /// Whose cookie this is.
    pub(crate) fn find(&self, cookie: &str) -> Option<Arc<Session>> {
        self.find_at(Instant::now(), cookie)
    }

    fn find_at(&self, now: Instant, cookie: &str) -> Option<Arc<Session>> {
        let id = self.signed(cookie)?;
        let mut kept = self.kept();
        let found = kept.get_mut(id)?;
        if !found.is_good(now) {
            kept.remove(id);
            return None;
        }
        found.seen = now;
        Some(Arc::clone(&found.session))
    }

    /// Signs out.
    pub(crate) fn close(&self, cookie: &str) {
        if let Some(id) = self.signed(cookie) {
            self.kept().remove(id);
        }
    }

    /// A value that only we can have given out.
    pub(crate) fn sign(&self, id: &str) -> String {
        format!("{id}.{}", self.code(id))
    }

    /// What was signed.
    pub(crate) fn signed<'v>(&self, value: &'v str) -> Option<&'v str> {
        let (id, code) = value.split_once('.')?;
        same(code, &self.code(id)).then_some(id)
    }

    fn code(&self, id: &str) -> String {
        // A MAC takes a key of any length, so that this is never empty.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.mac) else {
            return String::new();
        };
        mac.update(id.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // Nothing in here is ever half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_good(&self, now: Instant) -> bool {
        now.duration_since(self.born) < LONGEST && now.duration_since(self.seen) < IDLE
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    !other.is_empty() && bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

/// 128 random bits.
pub(crate) fn random() -> String {
    hex(&rand::random::<[u8; 16]>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in() -> (Sessions, String) {
        let sessions = Sessions::new(true, None);
        let cookie = sessions.open(OperatorKey::generate(), "a key".to_owned());
        (sessions, cookie)
    }

    #[tokio::test]
    async fn a_cookie_that_was_not_given_out_opens_nothing() {
        let (sessions, cookie) = signed_in();
        assert!(sessions.find(&cookie).is_some());
        let (id, code) = cookie.split_once('.').unwrap();
        for bad in ["", ".", id, &format!("{id}."), &format!("{}.{code}", random())] {
            assert!(sessions.find(bad).is_none(), "{bad}");
        }
        sessions.close(&cookie);
        assert!(sessions.find(&cookie).is_none());
    }

    #[tokio::test]
    async fn a_session_ends_when_nobody_uses_it_and_after_a_day_of_work() {
        let (sessions, _) = signed_in();
        let start = Instant::now();
        let after = |hours| start + Duration::from_hours(hours);
        let open = || sessions.open_at(start, OperatorKey::generate(), String::new());
        let (used, idle) = (open(), open());
        assert!((1..12).all(|hour| sessions.find_at(after(hour), &used).is_some()));
        assert!(sessions.find_at(after(12), &used).is_none());
        assert!(sessions.find_at(start + IDLE, &idle).is_none());
    }

    #[tokio::test]
    async fn the_session_that_was_used_longest_ago_makes_room() {
        let sessions = Sessions::new(true, None);
        let start = Instant::now();
        let open = |second| {
            let now = start + Duration::from_secs(second);
            sessions.open_at(now, OperatorKey::generate(), String::new())
        };
        let (first, second) = (open(0), open(1));
        for _ in 2..=MOST {
            open(2);
        }
        let now = start + Duration::from_secs(3);
        assert!(sessions.find_at(now, &first).is_none() && sessions.find_at(now, &second).is_some());
    }

    #[tokio::test]
    async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_the_key_is_not_printed() {
        let (sessions, cookie) = signed_in();
        let set = sessions.set_cookie(sessions.cookie_name(), &cookie);
        assert!(set.starts_with("__Host-angarium=") && set.contains("; HttpOnly; SameSite=Strict; Secure"));
        let session = sessions.find(&cookie).unwrap();
        assert!(!format!("{session:?}").contains(session.key.expose()));
    }
}
