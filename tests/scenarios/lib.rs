//! Scenarios over real processes: see `main.rs` and the files beside it, one a promise.
