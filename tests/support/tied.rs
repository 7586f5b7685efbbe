//! Programs that end with the test binary, however that ends.

use std::process::{Child, Command, Stdio};

/// Starts `program`, tied to this process by a pipe that a shell reads: when that ends, the program gets `signal`.
pub fn spawn(program: &str, arguments: &[&str], signal: &str) -> Child {
    let script = "exec 3<&0; s=$1; shift; \"$0\" \"$@\" 3<&- </dev/null >/dev/null 2>&1 & p=$!; \
        (cat <&3 >/dev/null; kill \"$s\" $p) & wait $p";
    Command::new("sh")
        .args(["-c", script, program, signal])
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
