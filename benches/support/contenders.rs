//! The servers that take part in the alternating rounds.

use std::error::Error;
use std::path::Path;

use super::process::Process;
use super::servers::{self, Ayrene};

/// A server with its name.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
}

/// ayrene, a bare actix-web server, and nginx where installed; in this order.
pub(crate) fn start(
    scratch: &Path,
    ayrene: &Ayrene,
    workers: usize,
) -> Result<Vec<Contender>, Box<dyn Error + Send + Sync>> {
    let mut contenders = vec![
        Contender { name: "ayrene", process: ayrene.start()? },
        Contender { name: "bare actix-web", process: servers::bare(workers)? },
    ];
    match servers::nginx(scratch, workers)? {
        Some(process) => contenders.push(Contender { name: "nginx", process }),
        None => println!("nginx is not installed here: no comparison with it"),
    }
    Ok(contenders)
}
