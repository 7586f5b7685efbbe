//! Which threads come first.
//!
//! Workers answer, others compute: where processors are short, those who compute stand back.

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
