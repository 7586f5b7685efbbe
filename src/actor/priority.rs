//! Which threads come first.
//!
//! Workers answer, others compute: where processors are short, those who compute stand back, and those who answer take short
//! turns, so that the system lets them in at once.

/// By how much, in steps of nice(2): about a third of the time of a thread that does not.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Makes the current thread, and no other, give way to those that answer. On Linux; elsewhere priorities belong to processes.
pub fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread that computes is as urgent as those that answer");
    }
}

/// How long a thread that answers runs at a time while others wait: the shortest that there is. Who has shorter turns than the
/// thread that runs is let in when it wakes; else a redirect may wait for milliseconds behind a password.
#[cfg(target_os = "linux")]
const TURN_NS: u64 = 100_000;

/// Lets the current thread, and those that it starts, in at once when they wake. On Linux from 6.12 on.
pub fn answer_promptly() {
    #[cfg(target_os = "linux")]
    if let Err(error) = take_short_turns() {
        tracing::debug!(%error, "a thread that answers waits for those that compute");
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library makes this system call")]
fn take_short_turns() -> std::io::Result<()> {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: rustix::process::getpriority_process(None)?,
        sched_priority: 0,
        sched_runtime: TURN_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    let current_thread: libc::pid_t = 0;
    let flags: libc::c_uint = 0;
    // SAFETY: the kernel reads `size` bytes of a structure that lives until the call returns, and writes nothing but `size`
    // where it does not know that one.
    let outcome =
        unsafe { libc::syscall(libc::SYS_sched_setattr, current_thread, &raw const attributes, flags) };
    if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
