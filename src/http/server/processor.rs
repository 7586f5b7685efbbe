//! Processors, as far as the system tells of them; off Linux it tells nothing, and nobody moves.

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::time::Duration;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
    use rustix::time::{ClockId, clock_gettime};
    use tokio::net::TcpStream;

    /// The one that the current thread runs on.
    pub(in super::super) fn current() -> Option<usize> {
        Some(sched_getcpu())
    }

    /// The one that a connection's packets come in on.
    pub(in super::super) fn of_packets(stream: &TcpStream) -> Option<usize> {
        // The kernel says -1 of a connection that nothing came in on.
        socket2::SockRef::from(stream).cpu_affinity().ok().filter(|there| *there < CpuSet::MAX_CPU)
    }

    /// Goes on there, if that is allowed, without staying any longer than the system thinks fit.
    pub(in super::super) fn go_to(processor: usize) -> io::Result<()> {
        let allowed = sched_getaffinity(None)?;
        if processor < CpuSet::MAX_CPU && allowed.is_set(processor) {
            let mut there = CpuSet::new();
            there.set(processor);
            sched_setaffinity(None, &there)?;
            sched_setaffinity(None, &allowed)?;
        }
        Ok(())
    }

    /// The time for which the current thread has been running.
    pub(in super::super) fn time() -> Option<Duration> {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{current, go_to, of_packets, time};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::time::Duration;

    use tokio::net::TcpStream;

    pub(in super::super) fn current() -> Option<usize> {
        None
    }

    pub(in super::super) fn of_packets(_: &TcpStream) -> Option<usize> {
        None
    }

    pub(in super::super) fn go_to(_: usize) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn time() -> Option<Duration> {
        None
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{current, go_to, of_packets, time};
