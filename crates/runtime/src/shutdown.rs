//! The wish that a process, or a part of it, ends.

use tokio_util::sync::CancellationToken;

/// A shared flag that goes up once and wakes who waits for it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A shutdown that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins it, here and in all children; more calls change nothing.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Resolves when it begins, or at once if it has. Safe in `select!`.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        Box::pin(self.0.clone().cancelled_owned())
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// A shutdown that begins with this one, and can begin earlier without it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_begins_with_its_parent_but_not_the_other_way_round() {
        let parent = Shutdown::new();
        let (first, second) = (parent.child(), parent.child());
        first.begin();
        first.begun().await;
        assert!(!parent.has_begun() && !second.has_begun());
        parent.begin();
        second.begun().await;
    }
}
