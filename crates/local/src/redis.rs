//! A local Redis.

use std::fs;
use std::path::Path;

use crate::probe::Probe;
use crate::server::{Group, Server};
use crate::{Error, Parts, ports, template};

/// A running Redis. It keeps nothing on disk: after a restart it is empty.
#[derive(Debug)]
pub struct Redis {
    pub(crate) server: Server,
}

impl Redis {
    /// Starts Redis with its configuration and log in `dir`; returns when it answers PING.
    pub fn start(parts: &Parts, dir: &Path, group: Group) -> Result<Self, Error> {
        let dir = std::path::absolute(dir).map_err(Error::file("use the directory", dir))?;
        fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        let config = dir.join("redis.conf");
        ports::with_free(|[port]| {
            let text = template::fill(
                template::REDIS,
                &[("port", &port.to_string()), ("data", &dir.display().to_string())],
            );
            fs::write(&config, text).map_err(Error::file("write", &config))?;
            let server = Server {
                name: "Redis".to_owned(),
                program: parts.redis_server().to_owned(),
                args: vec![config.clone().into()],
                log: dir.join("redis.log"),
                port,
                probe: Probe::Redis,
                group,
                child: None,
            };
            let mut redis = Self { server };
            redis.restart()?;
            Ok(redis)
        })
    }

    /// Where it listens, also while it is stopped: `redis://127.0.0.1:PORT/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.server.address())
    }

    /// Ends it in good order, within 20 s; a second stop does nothing.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.server.terminate()?;
        self.server.await_end()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.server.kill()
    }

    /// Stops it if it runs and starts it on the same port, empty; returns when it answers.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.server.launch()?;
        self.server.await_ready()
    }

    /// Lets it live on after this process. Write down which it is first: [`State::save`](crate::State::save).
    pub fn detach(self) {
        self.server.detach();
    }
}
