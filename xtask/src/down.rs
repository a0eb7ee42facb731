//! `cargo xtask down`: ends what `up` started.

use angarium_local::{How, State};

use crate::paths;

pub(crate) fn run() -> anyhow::Result<()> {
    let path = paths::up_state();
    let Some(state) = State::load(&path)? else {
        println!("nothing is up");
        return Ok(());
    };
    for stopped in state.stop_all(&path)? {
        let how = match stopped.how {
            How::WasGone => "had ended before",
            How::Ended => "stopped",
            How::Killed => "did not end by itself: killed",
        };
        println!("{:<14}process {:<8} {how}", stopped.name, stopped.pid);
    }
    Ok(())
}
