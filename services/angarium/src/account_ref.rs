//! How accounts are named in files: `1234`, an integer, or `ext:acme-gmbh`, a text.

use std::fmt;

use angarium_model::{AccountId, AccountRef, InvalidId};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// An account in a file.
#[derive(Clone, Debug)]
pub(crate) struct Named(pub(crate) AccountRef);

struct Name;

impl Visitor<'_> for Name {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account: its id, an integer, or `ext:` and its external id")
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<Named, E> {
        let id = AccountId::new(id).map_err(E::custom)?;
        Ok(Named(AccountRef::Id(id)))
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<Named, E> {
        let id = u64::try_from(id).map_err(|_negative| InvalidId::AccountRef(id.to_string()));
        id.map_err(E::custom).and_then(|id| self.visit_u64(id))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Named, E> {
        text.parse().map(Named).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Name)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            AccountRef::Id(id) => to.serialize_u64(id.get()),
            external @ AccountRef::External(_) => to.collect_str(external),
        }
    }
}
