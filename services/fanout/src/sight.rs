//! The view of the registry that a partition is matched against.

use angarium_directory::{Directory, View};
use tokio::sync::watch;

/// A view that stays the same until its owner asks for the newest.
#[derive(Debug)]
pub(crate) struct Sight {
    directory: Directory,
    changes: watch::Receiver<u64>,
    view: View,
}

impl Sight {
    /// The view of this moment.
    pub(crate) fn of(directory: Directory) -> Self {
        let mut changes = directory.changes();
        // Before the view: a change between the two is seen once more, not missed.
        changes.mark_unchanged();
        let view = directory.view();
        Self {
            directory,
            changes,
            view,
        }
    }

    pub(crate) const fn view(&self) -> &View {
        &self.view
    }

    /// Whether the directory is still as this view says.
    pub(crate) fn is_current(&self) -> bool {
        // An error would mean that the directory is gone, which is held here.
        !self.changes.has_changed().unwrap_or(false)
    }

    /// Resolves when there is a newer view.
    pub(crate) fn outdated(&self) -> impl Future<Output = ()> + use<> {
        let mut changes = self.changes.clone();
        async move {
            if changes.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Takes the newest view.
    pub(crate) fn renew(&mut self) {
        self.changes.mark_unchanged();
        self.view = self.directory.view();
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{AccountId, EventName};

    use super::*;
    use crate::matching::tests::webhook;

    #[tokio::test]
    async fn a_change_is_told_at_once_and_seen_when_asked_for() {
        let directory = Directory::fixed([], [webhook(1, true)]);
        let mut sight = Sight::of(directory.clone());
        let count = |sight: &Sight| {
            let name = EventName::new("CI_STATS").unwrap();
            let matched = sight
                .view()
                .webhooks_for(AccountId::new(1234).unwrap(), &name, |_| Ok(true));
            matched.active.len()
        };
        assert!(sight.is_current());
        directory.put(webhook(2, true));
        sight.outdated().await;
        assert_eq!((sight.is_current(), count(&sight)), (false, 1));
        sight.renew();
        assert_eq!((sight.is_current(), count(&sight)), (true, 2));
    }
}
