//! What all pages have in common.

use angarium_model::AccountId;
use askama::Template;

use super::App;
use super::assets;
use super::caller::Caller;
use crate::log::State;

/// The frame of a page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) title: String,
    /// Which entry of the navigation it is under.
    pub(super) section: &'static str,
    pub(super) account: Option<(AccountId, String)>,
    pub(super) who: Option<String>,
    /// Nobody signed in, so that nobody can sign out.
    pub(super) local: bool,
    pub(super) csrf: String,
    /// What has just been done.
    pub(super) done: Option<String>,
    /// What to know of the log.
    pub(super) caution: Option<&'static str>,
    pub(super) css: &'static str,
    pub(super) script: &'static str,
}

impl Page {
    /// Without anybody.
    pub(super) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            section: "",
            account: None,
            who: None,
            local: false,
            csrf: String::new(),
            done: None,
            caution: None,
            css: assets::css(),
            script: assets::script(),
        }
    }

    /// For someone.
    pub(super) fn of(app: &App, caller: &Caller, title: &str) -> Self {
        let session = &caller.session;
        Self {
            who: Some(session.name.clone()),
            local: session.local,
            csrf: session.csrf.clone(),
            caution: match app.log().state() {
                State::Current => None,
                State::Reading => {
                    Some("The log is still being read from Kafka: what happened earlier may not be here yet.")
                }
                State::Stuck => Some(
                    "The log cannot be written to disk now: what happened last is not here. Deliveries are not affected.",
                ),
            },
            ..Self::bare(title)
        }
    }

    /// Within an account.
    pub(super) fn within(mut self, section: &'static str, account: AccountId, name: &str) -> Self {
        self.section = section;
        self.account = Some((account, name.to_owned()));
        self
    }

    /// With what has just been done.
    pub(super) fn done(mut self, text: Option<String>) -> Self {
        self.done = text;
        self
    }
}

/// There is no page.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub(super) struct Problem {
    pub(super) page: Page,
    pub(super) text: String,
}
