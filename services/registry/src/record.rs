//! Records of the registry topic.

use std::fmt;
use std::str::FromStr;

use angarium_kafka::Record;
use angarium_model::{
    Account, AccountId, ApiKey, EventName, ExternalId, InvalidId, KeyId, OwnType, Revision, Webhook,
    WebhookId,
};
use angarium_proto::convert::{
    Secrets, account_from_wire, account_to_wire, api_key_from_wire, api_key_to_wire, event_type_from_wire,
    event_type_to_wire, webhook_from_wire, webhook_to_wire,
};
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{self, RegistryRecord, registry_record::Entry};
use angarium_proto::{FieldError, InvalidWire};
use prost::Message;

use crate::home::Home;
use crate::seal::{SealError, SealKeys};

/// What a record is about; its key, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// `account/<id>`
    Account(AccountId),
    /// `webhook/<id>`
    Webhook(WebhookId),
    /// `key/<id>`
    Api(KeyId),
    /// `event-type/<account or platform>/<name>`
    EventType(Home, EventName),
    /// `deleted-webhook/<id>`
    Deleted(WebhookId),
    /// `external-id/<external id>`
    ExternalId(ExternalId),
    /// `key-use/<id>`
    Used(KeyId),
    /// `writer`: who writes the partition.
    Writer,
    /// `barrier`: never has a value. A writer that has nothing to write appends one to learn that it still is the writer.
    Barrier,
}

/// What a record says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Account(Account),
    Webhook(Box<Webhook>),
    Deleted(Box<Deleted>),
    ApiKey(ApiKey),
    EventType(OwnType),
    Reservation(Reservation),
    KeyUse(KeyUse),
    Writer(Claim),
}

/// That the bearer of an API key was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub(crate) key: KeyId,
    /// Unix milliseconds.
    pub(crate) at_ms: i64,
}

/// That no other account than one may have an external id: while it has it, and for a while after this was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) external_id: ExternalId,
    pub(crate) account: AccountId,
    /// Unix milliseconds.
    pub(crate) made_at_ms: i64,
    /// The version of this reservation.
    pub(crate) revision: Revision,
}

/// A webhook that was deleted, and may be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) webhook: Webhook,
    /// When it is gone for good, Unix milliseconds.
    pub(crate) until_ms: i64,
}

/// That a registry writes a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Where other registries reach it.
    pub(crate) endpoint: String,
    /// Which start of a registry it is.
    pub(crate) incarnation: String,
}

/// A record that this version does not understand.
#[derive(Debug, thiserror::Error)]
#[error(
    "the record at {partition}-{offset} of the registry topic (key {key:?}) cannot be read: {problem}; if a newer \
     version wrote it, start that version"
)]
pub struct UnreadableRecord {
    partition: i32,
    offset: i64,
    key: String,
    problem: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account/{id}"),
            Self::Webhook(id) => write!(f, "webhook/{id}"),
            Self::Deleted(id) => write!(f, "deleted-webhook/{id}"),
            Self::ExternalId(external_id) => write!(f, "external-id/{external_id}"),
            Self::Api(id) => write!(f, "key/{id}"),
            Self::Used(id) => write!(f, "key-use/{id}"),
            Self::EventType(home, name) => write!(f, "event-type/{}/{name}", home.partition_key()),
            Self::Writer => f.write_str("writer"),
            Self::Barrier => f.write_str("barrier"),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some(("account", id)) => id.parse().map(Self::Account).map_err(|error| error.to_string()),
            Some(("webhook", id)) => id.parse().map(Self::Webhook).map_err(|error| error.to_string()),
            Some(("deleted-webhook", id)) => id.parse().map(Self::Deleted).map_err(|error| error.to_string()),
            Some(("external-id", text)) => {
                ExternalId::new(text).map(Self::ExternalId).map_err(|error| error.to_string())
            }
            Some(("key", id)) => id.parse().map(Self::Api).map_err(|error| error.to_string()),
            Some(("key-use", id)) => id.parse().map(Self::Used).map_err(|error| error.to_string()),
            Some(("event-type", rest)) => {
                let (home, name) = rest.split_once('/').ok_or("the key names no event type")?;
                let name = EventName::new(name).map_err(|error| error.to_string())?;
                Ok(Self::EventType(home.parse()?, name))
            }
            None if text == "writer" => Ok(Self::Writer),
            None if text == "barrier" => Ok(Self::Barrier),
            _ => Err(
                "the key is neither account/<id> nor webhook/<id> nor deleted-webhook/<id> nor key/<id> nor event-type/<whose>/<name> nor external-id/<external id> nor key-use/<id> nor writer"
                    .to_owned(),
            ),
        }
    }
}

impl Entity {
    /// The value of its record, its secrets sealed. The revision is left out: it is the offset, which is not known yet.
    ///
    /// # Errors
    /// When a secret cannot be sealed.
    pub(crate) fn encode(&self, keys: &SealKeys) -> Result<Vec<u8>, SealError> {
        let entry = match self {
            Self::Account(account) => {
                let mut wire = account_to_wire(account);
                wire.revision = 0;
                Entry::Account(wire)
            }
            Self::Webhook(webhook) => Entry::Webhook(seal(webhook, keys)?),
            Self::Deleted(deleted) => Entry::KeptWebhook(v1::KeptWebhook {
                webhook: Some(seal(&deleted.webhook, keys)?),
                until_ms: deleted.until_ms,
            }),
            Self::ApiKey(key) => {
                let mut wire = api_key_to_wire(key, Secrets::Include);
                wire.revision = 0;
                // A record of its own tells it.
                wire.last_used_at_ms = None;
                Entry::ApiKey(wire)
            }
            Self::EventType(own) => {
                let mut wire = event_type_to_wire(own);
                wire.revision = 0;
                Entry::EventType(wire)
            }
            Self::Reservation(reservation) => Entry::Reservation(reservation.to_wire()),
            Self::KeyUse(used) => Entry::ApiKeyUse(v1::ApiKeyUse {
                id: used.key.to_string(),
                used_at_ms: used.at_ms,
            }),
            Self::Writer(claim) => Entry::Writer(v1::Writer {
                endpoint: claim.endpoint.clone(),
                incarnation: claim.incarnation.clone(),
            }),
        };
        Ok(RegistryRecord { entry: Some(entry) }.encode_to_vec())
    }

    /// The same for people: at its revision, without secrets and what is known of them.
    pub(crate) fn public(&self) -> RegistryRecord {
        let entry = match self {
            Self::Account(account) => Some(Entry::Account(account_to_wire(account))),
            Self::Webhook(webhook) => Some(Entry::Webhook(webhook_to_wire(webhook, Secrets::Omit))),
            Self::ApiKey(key) => Some(Entry::ApiKey(api_key_to_wire(key, Secrets::Omit))),
            Self::EventType(own) => Some(Entry::EventType(event_type_to_wire(own))),
            Self::Deleted(_) | Self::Reservation(_) | Self::KeyUse(_) | Self::Writer(_) => None,
        };
        RegistryRecord { entry }
    }

    /// The same at a revision.
    pub(crate) fn at(mut self, revision: Revision) -> Self {
        match &mut self {
            Self::Account(account) => account.revision = revision,
            Self::Webhook(webhook) => webhook.revision = revision,
            Self::Deleted(deleted) => deleted.webhook.revision = revision,
            Self::ApiKey(key) => key.revision = revision,
            Self::EventType(own) => own.revision = revision,
            Self::Reservation(reservation) => reservation.revision = revision,
            Self::KeyUse(_) | Self::Writer(_) => {}
        }
        self
    }

    /// The revision it is at.
    pub(crate) fn revision(&self) -> Revision {
        match self {
            Self::Account(account) => account.revision,
            Self::Webhook(webhook) => webhook.revision,
            Self::Deleted(deleted) => deleted.webhook.revision,
            Self::ApiKey(key) => key.revision,
            Self::EventType(own) => own.revision,
            Self::Reservation(reservation) => reservation.revision,
            Self::KeyUse(_) | Self::Writer(_) => Revision::default(),
        }
    }

    /// What its record is about.
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Account(account) => Key::Account(account.id),
            Self::Webhook(webhook) => Key::Webhook(webhook.id),
            Self::Deleted(deleted) => Key::Deleted(deleted.webhook.id),
            Self::ApiKey(key) => Key::Api(key.id),
            Self::EventType(own) => Key::EventType(Home::of(own.account), own.name.clone()),
            Self::Reservation(reservation) => Key::ExternalId(reservation.external_id.clone()),
            Self::KeyUse(used) => Key::Used(used.key),
            Self::Writer(_) => Key::Writer,
        }
    }
}

impl Reservation {
    fn to_wire(&self) -> v1::Reservation {
        v1::Reservation {
            external_id: self.external_id.to_string(),
            account_id: self.account.get(),
            made_at_ms: self.made_at_ms,
        }
    }

    fn from_wire(wire: &v1::Reservation) -> Result<Self, InvalidId> {
        Ok(Self {
            external_id: ExternalId::new(&wire.external_id)?,
            account: AccountId::new(wire.account_id)?,
            made_at_ms: wire.made_at_ms,
            revision: Revision::default(),
        })
    }
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) key: Key,
    /// Nothing when it removes the key.
    pub(crate) entity: Option<Entity>,
    /// Whether it has a secret that would be sealed in another way today.
    pub(crate) is_sealed_with_another_key: bool,
    /// Why its secret does not open, if it does not; it is left out then.
    pub(crate) locked: Option<SealError>,
}

/// Where a secret of a webhook is.
struct Slot<'a> {
    secret: &'a mut String,
    sealed: &'a mut Option<v1::SealedSecret>,
    /// Of a secret that has one.
    fingerprint: Option<&'a mut String>,
}

/// The secrets of a webhook, those that were replaced as well. Sealed and opened alike.
fn slots(webhook: &mut v1::Webhook) -> Vec<Slot<'_>> {
    let method = webhook.authentication.as_mut().and_then(|it| it.method.as_mut());
    match method {
        Some(Method::Signature(signature)) => {
            let current = Slot {
                secret: &mut signature.secret,
                sealed: &mut signature.sealed,
                fingerprint: Some(&mut signature.fingerprint),
            };
            let previous = signature.previous.iter_mut().map(|old| Slot {
                secret: &mut old.secret,
                sealed: &mut old.sealed,
                fingerprint: Some(&mut old.fingerprint),
            });
            std::iter::once(current).chain(previous).collect()
        }
        Some(Method::Basic(basic)) => vec![Slot {
            secret: &mut basic.password,
            sealed: &mut basic.sealed,
            fingerprint: None,
        }],
        Some(Method::Header(header)) => vec![Slot {
            secret: &mut header.value,
            sealed: &mut header.sealed,
            fingerprint: None,
        }],
        Some(Method::None(_)) | None => Vec::new(),
    }
}

/// A webhook as it is stored, its secrets sealed.
fn seal(webhook: &Webhook, keys: &SealKeys) -> Result<v1::Webhook, SealError> {
    let mut wire = webhook_to_wire(webhook, Secrets::Include);
    wire.revision = 0;
    for slot in slots(&mut wire) {
        // It is made of the secret when it is asked for.
        slot.fingerprint.map(String::clear);
        if let Some(sealed) = keys.seal(webhook.id, slot.secret)? {
            slot.secret.clear();
            *slot.sealed = Some(sealed);
        }
    }
    Ok(wire)
}

/// Opens the secrets of a stored webhook. Whether one would be sealed in another way today, and why one does not open.
fn open(webhook: &mut v1::Webhook, keys: &SealKeys) -> (bool, Option<SealError>) {
    let (mut is_sealed_with_another_key, mut locked) = (false, None);
    // A webhook whose id cannot be read is refused as a whole.
    if let Ok(id) = webhook.id.parse::<WebhookId>() {
        for slot in slots(webhook) {
            is_sealed_with_another_key |= !keys.is_current(slot.sealed.as_ref());
            if let Some(sealed) = slot.sealed.take() {
                match keys.open(id, &sealed) {
                    Ok(secret) => *slot.secret = secret,
                    Err(error) => locked = Some(error),
                }
            }
        }
    }
    (is_sealed_with_another_key, locked)
}

/// Takes away what a webhook would have secret.
pub(crate) fn strip(webhook: &mut v1::Webhook) {
    for slot in slots(webhook) {
        slot.secret.clear();
    }
}

/// Reads a record.
pub(crate) fn decode(record: &Record, keys: &SealKeys) -> Result<Said, UnreadableRecord> {
    read(record, keys).map_err(|problem| UnreadableRecord::of(record, problem))
}

fn read(record: &Record, keys: &SealKeys) -> Result<Said, String> {
    let text = std::str::from_utf8(&record.key).map_err(|error| error.to_string())?;
    let key = text.parse::<Key>()?;
    let Some(value) = &record.value else {
        return Ok(Said {
            key,
            entity: None,
            is_sealed_with_another_key: false,
            locked: None,
        });
    };
    let mut is_sealed_with_another_key = false;
    let mut locked = None;
    let value = RegistryRecord::decode(value.clone()).map_err(|error| error.to_string())?;
    let wrong = |errors: Vec<FieldError>| InvalidWire(errors).to_string();
    let entity = match value.entry {
        Some(Entry::Account(account)) => Entity::Account(account_from_wire(account).map_err(wrong)?),
        Some(Entry::Webhook(mut webhook)) => {
            (is_sealed_with_another_key, locked) = open(&mut webhook, keys);
            Entity::Webhook(Box::new(webhook_from_wire(webhook).map_err(wrong)?))
        }
        Some(Entry::KeptWebhook(deleted)) => {
            let mut webhook = deleted.webhook.ok_or("it holds no webhook")?;
            (is_sealed_with_another_key, locked) = open(&mut webhook, keys);
            Entity::Deleted(Box::new(Deleted {
                webhook: webhook_from_wire(webhook).map_err(wrong)?,
                until_ms: deleted.until_ms,
            }))
        }
        Some(Entry::ApiKey(key)) => Entity::ApiKey(api_key_from_wire(key).map_err(wrong)?),
        Some(Entry::EventType(known)) => Entity::EventType(event_type_from_wire(known).map_err(wrong)?),
        Some(Entry::Reservation(reservation)) => {
            Entity::Reservation(Reservation::from_wire(&reservation).map_err(|error| error.to_string())?)
        }
        Some(Entry::ApiKeyUse(used)) => Entity::KeyUse(KeyUse {
            key: used.id.parse().map_err(|error: InvalidId| error.to_string())?,
            at_ms: used.used_at_ms,
        }),
        Some(Entry::Writer(writer)) => Entity::Writer(Claim {
            endpoint: writer.endpoint,
            incarnation: writer.incarnation,
        }),
        None => {
            return Err(
                "its value is neither an account nor a webhook nor an API key nor its use nor an event type nor a reservation nor a writer"
                    .to_owned(),
            );
        }
    };
    if entity.key() != key {
        return Err(format!("its value is {}", entity.key()));
    }
    Ok(Said {
        key,
        entity: Some(entity.at(Revision::from_offset(record.offset))),
        is_sealed_with_another_key,
        locked,
    })
}

impl UnreadableRecord {
    /// A record whose secret does not open.
    pub(crate) fn locked(record: &Record, error: &SealError) -> Self {
        Self::of(record, error.to_string())
    }

    fn of(record: &Record, problem: String) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            key: String::from_utf8_lossy(&record.key).into_owned(),
            problem,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use angarium_model::{
        Authentication, Disabled, DisabledReason, Grant, Limits, Ordering, PayloadFormat, PreviousSecret,
        Role, SecretHash, SecretText, Signing,
    };
    use bytes::Bytes;

    use super::*;
    use crate::seal::tests::keys;

    pub(crate) fn record(partition: i32, offset: i64, key: &Key, entity: Option<&Entity>) -> Record {
        Record {
            partition,
            offset,
            timestamp_ms: 0,
            key: Bytes::from(key.to_string()),
            value: entity.map(|entity| Bytes::from(entity.encode(&SealKeys::none()).unwrap())),
            headers: Vec::new(),
        }
    }

    pub(crate) fn event_type(account: Option<u64>, name: &str) -> OwnType {
        OwnType {
            account: account.map(|id| AccountId::new(id).unwrap()),
            name: EventName::new(name).unwrap(),
            lane: angarium_model::Lane::Batch,
            description: String::new(),
            schema: Some("{}".to_owned()),
            example: None,
            version: 1,
            revision: Revision::default(),
            created_at_ms: 1,
        }
    }

    pub(crate) fn api_key(id: KeyId) -> ApiKey {
        ApiKey {
            id,
            account: AccountId::new(1234).ok(),
            name: "viewer".to_owned(),
            grant: Grant::Role(Role::Viewer),
            hash: SecretHash::from_bytes([1; 32]),
            previous: None,
            expires_at_ms: None,
            revision: Revision::default(),
            created_at_ms: 1,
            last_used_at_ms: None,
        }
    }

    pub(crate) fn account(id: u64, name: &str) -> Entity {
        Entity::Account(Account {
            name: name.to_owned(),
            created_at_ms: 1,
            ..Account::new(AccountId::new(id).unwrap())
        })
    }

    #[test]
    fn what_a_record_says_is_read_at_its_offset() {
        let (key, entity) = (Key::Account(AccountId::new(1234).unwrap()), account(1234, "Acme"));
        let said = read_plain(&record(0, 7, &key, Some(&entity))).unwrap();
        assert_eq!(
            (said.key, said.entity),
            (key.clone(), Some(entity.at(Revision::from_offset(7))))
        );
        let said = read_plain(&record(0, 8, &key, None)).unwrap();
        assert_eq!((said.key, said.entity), (key, None));
    }

    #[test]
    fn an_event_type_is_read_under_whose_it_is_and_its_name() {
        for (account, text) in [
            (Some(7), "event-type/7/INVOICE_PAID"),
            (None, "event-type/platform/INVOICE_PAID"),
        ] {
            let entity = Entity::EventType(event_type(account, "INVOICE_PAID"));
            assert_eq!(entity.key().to_string(), text);
            let said = read_plain(&record(0, 7, &entity.key(), Some(&entity))).unwrap();
            assert_eq!(said.key, entity.key());
            assert_eq!(said.entity, Some(entity.at(Revision::from_offset(7))));
        }
        assert!("event-type/INVOICE_PAID".parse::<Key>().is_err());
    }

    fn read_plain(record: &Record) -> Result<Said, UnreadableRecord> {
        decode(record, &SealKeys::none())
    }

    const NEW: &str = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
    const OLD: &str = "whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";

    /// A webhook that signs with these two.
    fn signing() -> Entity {
        let mut webhook = old_webhook();
        let secret = |text: &str| SecretText::new(text.to_owned());
        let old = PreviousSecret {
            secret: secret(OLD),
            created_at_ms: None,
            expires_at_ms: 9,
        };
        webhook.authentication = Authentication::Signature(Signing {
            previous: vec![old],
            ..Signing::new(secret(NEW), 1)
        });
        Entity::Webhook(Box::new(webhook))
    }

    #[test]
    fn w2_a_secret_is_sealed_in_its_record_and_another_key_is_told_from_damage() {
        let entity = signing();
        let mut sealed = record(0, 4, &entity.key(), None);
        let value = entity.encode(&keys("1")).unwrap();
        let text = String::from_utf8_lossy(&value).into_owned();
        for secret in [NEW, OLD] {
            let fingerprint = SecretText::new(secret.to_owned()).fingerprint().to_string();
            assert!(
                !text.contains(&fingerprint),
                "it is made of the secret when it is asked for"
            );
        }
        assert!(!text.contains("whsec_"));
        sealed.value = Some(value.into());
        let said = decode(&sealed, &keys("12")).unwrap();
        assert!(!said.is_sealed_with_another_key);
        assert_eq!(said.entity, Some(entity.clone().at(Revision::from_offset(4))));
        assert!(decode(&sealed, &keys("21")).unwrap().is_sealed_with_another_key);
        let locked = decode(&sealed, &keys("2")).unwrap().locked.unwrap();
        let told = UnreadableRecord::locked(&sealed, &locked).to_string();
        assert!(
            told.contains("sealed with the key \"1\", which seal.keys does not have"),
            "{told}"
        );

        let plain = record(0, 4, &entity.key(), Some(&entity));
        assert!(decode(&plain, &keys("1")).unwrap().is_sealed_with_another_key);
        assert!(!read_plain(&plain).unwrap().is_sealed_with_another_key);
    }

    /// A webhook's record as versions wrote it that knew nothing of the fields behind `created_at_ms`, byte by byte.
    fn old_record() -> (Key, Bytes) {
        let id = WebhookId::from_bytes([0; 16]);
        let id_text = id.to_string();
        let fields = [
            &[0x0a, 35][..], // id
            id_text.as_bytes(),
            &[0x10, 0xd2, 0x09],             // account_id 1234
            b"\x1a\x02HR",                   // name
            b"\x2a\x14https://example.com/", // target_url
            &[0x32, 0x02, 0x0a, 0x00],       // authentication: none
            b"\x3a\x01*",                    // event_types
            &[0x40, 0x01],                   // active
            &[0x58, 0x01],                   // created_at_ms
        ];
        let webhook = fields.concat();
        let length = u8::try_from(webhook.len()).unwrap();
        assert!(length < 0x80, "a length of one byte");
        let record = [&[0x12, length][..], &webhook].concat();
        (Key::Webhook(id), Bytes::from(record))
    }

    /// What [`old_record`] says.
    pub(crate) fn old_webhook() -> Webhook {
        let (key, value) = old_record();
        let mut old = record(0, 3, &key, None);
        old.value = Some(value);
        match read_plain(&old).unwrap().entity {
            Some(Entity::Webhook(webhook)) => *webhook,
            other => panic!("it is no webhook: {other:?}"),
        }
    }

    #[test]
    fn w2_a_record_of_the_time_before_rotation_reads_with_its_secret_sealed_or_not() {
        let Entity::Webhook(webhook) = signing() else {
            panic!("it is a webhook")
        };
        let id = webhook.id;
        let mut wire = webhook_to_wire(&webhook, Secrets::Include);
        for sealed in [None, keys("1").seal(id, NEW).unwrap()] {
            let secret = if sealed.is_some() {
                String::new()
            } else {
                NEW.to_owned()
            };
            let method = Method::Signature(v1::Signature {
                secret,
                sealed,
                ..v1::Signature::default()
            });
            wire.authentication = Some(v1::Authentication { method: Some(method) });
            let entry = Some(Entry::Webhook(wire.clone()));
            let mut old = record(0, 3, &Key::Webhook(id), None);
            old.value = Some(RegistryRecord { entry }.encode_to_vec().into());
            let Some(Entity::Webhook(read)) = decode(&old, &keys("1")).unwrap().entity else {
                panic!("it is a webhook")
            };
            let expected = Signing {
                secret: Some(SecretText::new(NEW.to_owned())),
                ..Signing::default()
            };
            assert_eq!(read.authentication, Authentication::Signature(expected));
        }
    }

    #[test]
    fn w2_one_secret_that_another_key_has_sealed_is_enough_to_seal_all_anew() {
        let Entity::Webhook(webhook) = signing() else {
            panic!("it is a webhook")
        };
        let id = webhook.id;
        let mut wire = webhook_to_wire(&webhook, Secrets::Include);
        for (slot, key) in slots(&mut wire).into_iter().zip(["1", "2"]) {
            *slot.sealed = keys(key).seal(id, slot.secret).unwrap();
            slot.secret.clear();
        }
        let entry = Some(Entry::Webhook(wire));
        let mut mixed = record(0, 3, &Key::Webhook(id), None);
        mixed.value = Some(RegistryRecord { entry }.encode_to_vec().into());
        for both in ["12", "21"] {
            assert!(decode(&mixed, &keys(both)).unwrap().is_sealed_with_another_key);
        }
        assert!(decode(&mixed, &keys("1")).unwrap().locked.is_some());
    }

    #[test]
    fn w1_a_record_of_the_time_before_the_settings_reads_as_the_reference_has_it() {
        let webhook = old_webhook();
        assert!(webhook.active);
        assert_eq!(webhook.ordering, Ordering::Ordered);
        assert_eq!(webhook.payload_format, PayloadFormat::Envelope);
        assert_eq!(webhook.limits, Limits::default());
        assert_eq!((webhook.dead_letter, &webhook.disabled), (None, &None));
    }

    #[test]
    fn why_a_webhook_is_off_is_kept_in_its_record() {
        let mut webhook = old_webhook();
        webhook.disable(Disabled::new(DisabledReason::Gone, "410".into(), 5).unwrap());
        let key = Key::Webhook(webhook.id);
        let entity = Entity::Webhook(Box::new(webhook));
        let said = read_plain(&record(0, 4, &key, Some(&entity))).unwrap();
        assert_eq!(
            (said.key, said.entity),
            (key, Some(entity.at(Revision::from_offset(4))))
        );
    }

    #[test]
    fn a_record_that_is_not_understood_is_named_and_never_guessed() {
        let key = Key::Account(AccountId::new(1234).unwrap());
        let other = read_plain(&record(2, 9, &key, Some(&account(1, "Acme"))))
            .unwrap_err()
            .to_string();
        assert!(other.contains("2-9") && other.contains("account/1234"), "{other}");
        for (key, value) in [("quota/1", &b""[..]), ("account/1", b""), ("account/1", b"\xff")] {
            let mut odd = record(0, 0, &Key::Barrier, None);
            odd.key = Bytes::from(key);
            odd.value = Some(Bytes::from_static(value));
            assert!(read_plain(&odd).is_err(), "{key} was taken");
        }
    }
}
