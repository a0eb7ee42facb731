//! `angarium event-type …`

use angarium_model::AccountRef;
use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::AtRegistry;
use super::key::HomeArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum EventTypeCommand {
    /// List event types: what each is sent for, and whether as it happens or by timetable
    List(EventTypeList),
    /// Show one type, with the JSON Schema of its `data` and an example
    Get(EventTypeGet),
    /// Create a type that the catalogue lacks, of an account or of the platform
    Create(EventTypeCreate),
    /// Change what is given and leave the rest
    Update(EventTypeUpdate),
    /// Delete a type that no webhook needs
    Delete(EventTypeDelete),
    /// Print an OpenAPI 3.1 document of what receivers get, to have code made of it
    Openapi(EventTypeOpenapi),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClassArg {
    /// Sent as it happens
    Realtime,
    /// Sent by the timetable of the webhook
    Batch,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeList {
    /// Those of an account too: its id, or `ext:` and its external id
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// Only those of this class
    #[arg(long, value_enum)]
    pub(crate) class: Option<ClassArg>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeGet {
    /// The type, for example COURSE_ENROLLMENT
    pub(crate) name: String,
    /// Look at those of an account first: its id, or `ext:` and its external id
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

/// What a type is like.
#[derive(Debug, Args)]
pub(crate) struct TypeArgs {
    /// What it is sent for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A file with the JSON Schema (draft 2020-12) of its `data`; - is standard input, an empty file takes the schema away
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// A file with an event of it as JSON, as a POST has it; an empty file takes the example away
    #[arg(long, value_name = "FILE")]
    pub(crate) example: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeCreate {
    /// Its name: capital letters, digits and _
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    /// Whether it is sent as it happens or by timetable; it never changes
    #[arg(long, value_enum)]
    pub(crate) class: ClassArg,
    #[command(flatten)]
    pub(crate) like: TypeArgs,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeUpdate {
    /// The type
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    #[command(flatten)]
    pub(crate) like: TypeArgs,
    /// Take a schema that refuses what the one before it took
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) allow_incompatible: bool,
    /// Only if this is its revision still
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeDelete {
    /// The type
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    /// Only if this is its revision still
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct EventTypeOpenapi {
    /// With the types of an account and of the platform, asked of the registry; without it, those of the catalogue
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
