//! Redis: newer progress than `cursors` has, and never needed.

use crate::bounds::WEBHOOKS;
use crate::cursors::Standing;
use crate::mark::Mark;
use crate::parked::Listed;

/// How far a webhook had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) generation: u8,
    pub(crate) epoch: u8,
    pub(crate) resume: u8,
    pub(crate) mark: Mark,
    /// What was parked: all below is done but for that. A digest in the code.
    pub(crate) parked: Listed,
    /// Only for the mistake of believing it.
    pub(crate) standing: Option<Standing>,
}

/// What is remembered of each webhook.
pub(crate) type Entries = [Option<Entry>; WEBHOOKS];

/// The partition's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Redis {
    /// The epoch of the last owner that wrote.
    own: Option<u8>,
    pub(crate) entries: Entries,
}

/// A higher epoch has written: the writer is superseded and stops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Superseded;

impl Redis {
    /// The script: overwrites what is missing or of a lower epoch.
    pub(crate) fn checkpoint(&mut self, epoch: u8, entries: Entries) -> Result<(), Superseded> {
        if self.own.is_some_and(|own| own > epoch) {
            return Err(Superseded);
        }
        *self = Self {
            own: Some(epoch),
            entries,
        };
        Ok(())
    }
}
