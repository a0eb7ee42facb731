//! Whether a cluster is as a layout says, without changing anything.

use super::Layout;
use super::apply::{Admin, PATIENCE, shapes};
use crate::connection::Connection;
use crate::error::Error;

/// What [`look`] found of a topic.
#[derive(Debug)]
pub struct Looked {
    /// Its name.
    pub topic: String,
    /// How it is.
    pub state: State,
}

/// How a topic is beside its layout.
#[derive(Debug)]
pub enum State {
    /// As it should be.
    Good,
    /// Not there.
    Missing,
    /// A partition has no leader: nobody can read or write it.
    Leaderless,
    /// These settings differ; [`super::apply`] would set them.
    Differs(Vec<&'static str>),
    /// It differs in a way that must not be changed in place, or Kafka does not tell of it.
    Wrong(Error),
}

/// Compares every topic of `layout` with what the cluster has.
///
/// # Errors
/// If Kafka does not answer at all.
pub async fn look(connection: &Connection, layout: &Layout) -> Result<Vec<Looked>, Error> {
    let admin = Admin::new(connection)?;
    let shapes = shapes(connection, PATIENCE).await?;
    let specs = layout.specs();
    let mut looked = Vec::new();
    for spec in &specs {
        // One by one: all that is wrong is to be told, not the first of it.
        let state = match shapes.get(&spec.name) {
            None => State::Missing,
            Some(shape) if !shape.has_leaders => State::Leaderless,
            Some(_) => match admin.check(vec![spec], &shapes).await {
                Err(error) => State::Wrong(error),
                Ok(checked) => {
                    let wrong: Vec<_> = checked.into_iter().flat_map(|(_, wrong, _)| wrong).collect();
                    if wrong.is_empty() {
                        State::Good
                    } else {
                        State::Differs(wrong)
                    }
                }
            },
        };
        looked.push(Looked {
            topic: spec.name.clone(),
            state,
        });
    }
    Ok(looked)
}
