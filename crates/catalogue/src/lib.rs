//! What the types of the event catalogue mean: for people, for producers that want their mistakes told, and for receivers
//! that want their code made.
//!
//! - [`described`] says what each type is sent for (E8) and gives the JSON Schema of its `data` (E6): strict where the
//!   published samples agree, tolerant where they differ, such as the spellings of `loType` and the two units of time (E5).
//!   Fields that it does not name are allowed: a product adds some.
//! - [`violations`] holds `data` against it, for ingest.
//! - [`Schema`] is one that a caller brings for a type of its own, and [`incompatibilities`] what a new one refuses that the
//!   one before it took.
//! - [`openapi`] is what receivers get as an OpenAPI 3.1 document: the body and the headers of a POST.

mod compatible;
mod described;
mod finding;
mod keywords;
mod openapi;
mod own;
mod schema;
mod validate;

pub use compatible::incompatibilities;
pub use described::{Described, described};
pub use finding::Finding;
pub use openapi::openapi;
pub use own::{MAX_SCHEMA_BYTES, Schema};
pub use validate::{MAX_VIOLATIONS, violations};
