//! Which process holds the far end of a connection, by Linux' `/proc`.

use std::fs;
use std::net::SocketAddr;

/// The kernel's list is read in pieces and misses a socket now and then, when others come and go meanwhile.
const LOOKS: usize = 10;

/// The process on this machine that has connected from `near` to `far`; `None` when it has closed the connection.
pub(super) fn process_of(near: SocketAddr, far: SocketAddr) -> Option<u32> {
    (0..LOOKS).find_map(|_| look_for(near, far))
}

fn look_for(near: SocketAddr, far: SocketAddr) -> Option<u32> {
    let link = format!("socket:[{}]", inode_of(near, far)?);
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(|id: &u32| {
        // Not ours to look into, or ended meanwhile: another one then.
        let files = fs::read_dir(format!("/proc/{id}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == link.as_str())
    })
}

/// The socket's inode, as `/proc/net/tcp` lists it: `sl local remote st queues timer retransmits uid timeout inode …`.
/// Both ends are looked for: one port may serve several connections to different places.
fn inode_of(near: SocketAddr, far: SocketAddr) -> Option<u64> {
    let (near, far) = (listed(near)?, listed(far)?);
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields.get(1) == Some(&near.as_str()) && fields.get(2) == Some(&far.as_str());
        fields.get(9).filter(|_| is_it)?.parse().ok()
    })
}

/// The address as the machine's own number, the port as a plain one.
fn listed(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_process_at_the_far_end_is_found_while_it_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let far = accepted.local_addr().unwrap();
        assert_eq!(process_of(peer, far), Some(std::process::id()));
        drop((near, accepted));
        assert_eq!(process_of(peer, far), None);
    }
}
