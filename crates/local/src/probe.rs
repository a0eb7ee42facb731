//! Is a server ready? It is when it answers a request of its own protocol.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A look at a server that is not ready must end soon, so that the next look comes soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// What counts as an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Probe {
    /// Kafka's Metadata names at least this many live brokers. Only then can a topic with as many copies be made; a
    /// broker answers ApiVersions already while the controller still fences it.
    Kafka { brokers: u32 },
    /// Redis answers PING, and not with an error such as LOADING.
    Redis,
}

impl Probe {
    pub(crate) fn answers(self, address: SocketAddr) -> bool {
        match self {
            Self::Kafka { brokers } => kafka_brokers(address).is_ok_and(|live| live >= brokers),
            Self::Redis => redis_ping(address).is_ok_and(|answer| &answer == b"+PONG"),
        }
    }
}

/// Metadata (API 3), version 1, of no topics: the request that every Kafka since 0.10 takes.
const METADATA: &[u8] = b"\x00\x00\x00\x17\x00\x03\x00\x01\x00\x00\x00\x07\x00\x09angarium-\x00\x00\x00\x00";

fn kafka_brokers(address: SocketAddr) -> io::Result<u32> {
    let mut stream = connect(address)?;
    stream.write_all(METADATA)?;
    // Length, the request's correlation id, then the array of brokers with its count in front.
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head)?;
    let [.., a, b, c, d] = head;
    Ok(u32::from_be_bytes([a, b, c, d]))
}

fn redis_ping(address: SocketAddr) -> io::Result<[u8; 5]> {
    let mut stream = connect(address)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with `answer` once `request` bytes came.
    fn answers(probe: Probe, request: usize, answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut vec![0; request]).unwrap();
            stream.write_all(answer).unwrap();
        });
        let ready = probe.answers(address);
        server.join().unwrap();
        ready
    }

    #[test]
    fn the_request_is_as_long_as_it_says() {
        let (length, body) = METADATA.split_first_chunk().unwrap();
        assert_eq!(usize::try_from(u32::from_be_bytes(*length)).unwrap(), body.len());
    }

    #[test]
    fn kafka_is_ready_when_all_brokers_are_alive() {
        let two_brokers = b"\0\0\0\x20\0\0\0\x07\0\0\0\x02";
        assert!(answers(Probe::Kafka { brokers: 2 }, METADATA.len(), two_brokers));
        assert!(!answers(Probe::Kafka { brokers: 3 }, METADATA.len(), two_brokers));
    }

    #[test]
    fn redis_is_not_ready_while_it_loads() {
        assert!(answers(Probe::Redis, 6, b"+PONG\r\n"));
        assert!(!answers(
            Probe::Redis,
            6,
            b"-LOADING Redis is loading the dataset in memory\r\n"
        ));
    }
}
