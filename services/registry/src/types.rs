//! The event types that there are: of the catalogue, of the platform and of an account, in one list.

use std::fmt;
use std::str::FromStr;

use angarium_catalogue::{Described, described};
use angarium_model::{AccountId, Catalogue, EventName, KnownTypes, Lane};
use angarium_proto::convert::{event_class_to_wire, event_type_to_wire};
use angarium_proto::registry::v1;

use crate::home::Home;
use crate::refusal::Refusal;

/// Where a type is in the list: behind those of the groups before its own, by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    group: u8,
    number: usize,
    name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.group, self.number, self.name)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().ok_or(());
        Ok(Self {
            group: next()?.parse().map_err(drop)?,
            number: next()?.parse().map_err(drop)?,
            name: next()?.to_owned(),
        })
    }
}

/// All of a class, or of both, in their order: those of the catalogue, of the platform, of the account.
pub(crate) fn all(types: &KnownTypes, lane: Option<Lane>) -> Vec<(Place, v1::EventType)> {
    let place = |group, number, name: &str| Place {
        group,
        number,
        name: name.to_owned(),
    };
    let built_in = Catalogue.types().filter_map(described).enumerate();
    let built_in = built_in.map(|(number, known)| (place(0, number, ""), built_in_to_wire(known)));
    let own = types.own().map(|own| {
        let group = if own.account.is_none() { 1 } else { 2 };
        (place(group, 0, own.name.as_str()), event_type_to_wire(own))
    });
    let class = lane.map(event_class_to_wire);
    let mut all: Vec<_> = built_in
        .chain(own)
        .filter(|(_, known)| class.is_none_or(|class| class == known.event_class()))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

/// The type of this name that events of an account, or of all accounts, may have.
pub(crate) fn get(
    types: &KnownTypes,
    account: Option<AccountId>,
    name: &EventName,
) -> Result<v1::EventType, Refusal> {
    let built_in = Catalogue
        .get(name.as_str())
        .and_then(described)
        .map(built_in_to_wire);
    let own = || types.get_own(name.as_str()).map(|own| event_type_to_wire(own));
    built_in.or_else(own).ok_or_else(|| Refusal::NoEventType {
        home: Home::of(account),
        name: name.clone(),
    })
}

fn built_in_to_wire(known: Described) -> v1::EventType {
    v1::EventType {
        name: known.event_type.name.to_owned(),
        event_class: event_class_to_wire(known.event_type.lane).into(),
        example: known.event_type.example.to_owned(),
        description: known.description.to_owned(),
        schema: known.schema().to_string(),
        built_in: true,
        version: 1,
        ..v1::EventType::default()
    }
}
