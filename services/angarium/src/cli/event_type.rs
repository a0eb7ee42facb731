//! `angarium event-type …`

use clap::{Args, Subcommand};

use super::AtRegistry;

#[derive(Debug, Subcommand)]
pub(crate) enum EventTypeCommand {
    /// List the types of the catalogue: what each is sent for, and whether as it happens or by timetable
    List(AtRegistry),
    /// Show one type, with the JSON Schema of its `data` and an example
    Get(EventTypeGet),
    /// Print an OpenAPI 3.1 document of what receivers get, to have code made of it
    Openapi,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeGet {
    /// The type, for example COURSE_ENROLLMENT
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
