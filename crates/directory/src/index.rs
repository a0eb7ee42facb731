//! Account → type → webhooks.

use std::collections::BTreeSet;
use std::sync::Arc;

use angarium_model::{AccountId, EventName, TypePattern, WebhookId};
use immutable_chunkmap::map::MapM;
use immutable_chunkmap::set::SetM;

use crate::known::Known;

const FIRST: WebhookId = WebhookId::from_bytes([0; 16]);
const LAST: WebhookId = WebhookId::from_bytes([0xff; 16]);

/// Finds the webhooks that want a type without looking at the others.
///
/// Patterns are numbered, and one ordered set holds (account, pattern, webhook): 32 bytes for each pattern of a
/// webhook, and nothing for an account. A type is looked up under its own name and under each of its prefixes that
/// ends with `_`: a handful of lookups, however many patterns there are.
/// A copy costs nothing: what is the same in both is shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    exact: Numbers,
    /// Keyed by the prefix; the empty one stands for `*`.
    prefixes: Numbers,
    entries: SetM<(AccountId, u64, WebhookId)>,
    /// The number of the next new pattern. Numbers are never given twice.
    next: u64,
}

/// Texts of patterns that are in use, and their numbers.
type Numbers = MapM<Arc<str>, Number>;

#[derive(Clone, Copy, Debug)]
struct Number {
    number: u64,
    /// How many entries carry it; at 0 it is forgotten, so that texts nobody uses any more cost nothing.
    entries: usize,
}

impl Index {
    pub(crate) fn insert(&mut self, webhook: &Known) {
        for pattern in webhook.event_types() {
            let (numbers, text) = match pattern {
                TypePattern::Exact(name) => (&mut self.exact, name.as_str()),
                TypePattern::Prefix(prefix) => (&mut self.prefixes, prefix.as_str()),
                TypePattern::Any => (&mut self.prefixes, ""),
            };
            let next = &mut self.next;
            let known = numbers.get_or_insert_cow(text.into(), || {
                let number = *next;
                *next += 1;
                Number { number, entries: 0 }
            });
            let was_there = self
                .entries
                .insert_cow((webhook.account(), known.number, webhook.id()));
            known.entries += usize::from(!was_there);
        }
    }

    /// Takes out what `insert` put in for the same webhook.
    pub(crate) fn remove(&mut self, webhook: &Known) {
        for pattern in webhook.event_types() {
            let (numbers, text) = match pattern {
                TypePattern::Exact(name) => (&mut self.exact, name.as_str()),
                TypePattern::Prefix(prefix) => (&mut self.prefixes, prefix.as_str()),
                TypePattern::Any => (&mut self.prefixes, ""),
            };
            let Some(known) = numbers.get_mut_cow(text) else {
                // The webhook names the pattern twice, and this is the second time.
                continue;
            };
            let gone = self
                .entries
                .remove_cow(&(webhook.account(), known.number, webhook.id()));
            known.entries -= usize::from(gone);
            if known.entries == 0 {
                numbers.remove_cow(&Arc::<str>::from(text));
            }
        }
    }

    /// The webhooks of an account, each once, in order of their ids: the first so many.
    pub(crate) fn of(&self, account: AccountId, most: usize) -> Vec<WebhookId> {
        let all = (account, 0, FIRST)..=(account, u64::MAX, LAST);
        let found: BTreeSet<_> = self.entries.range(all).map(|(_, _, id)| *id).collect();
        found.into_iter().take(most).collect()
    }

    /// The webhooks of an account that want this type, each once, in order of their ids.
    pub(crate) fn find(&self, account: AccountId, name: &EventName) -> Vec<WebhookId> {
        let name = name.as_str();
        let prefix_ends = std::iter::once(0).chain(name.match_indices('_').map(|(at, _)| at + 1));
        let prefixes = prefix_ends.filter_map(|end| self.prefixes.get(name.get(..end)?));
        let mut found = Vec::new();
        for Number { number, .. } in self.exact.get(name).into_iter().chain(prefixes) {
            let range = self
                .entries
                .range((account, *number, FIRST)..=(account, *number, LAST));
            found.extend(range.map(|(_, _, id)| *id));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() + self.exact.len() + self.prefixes.len() == 0
    }
}
