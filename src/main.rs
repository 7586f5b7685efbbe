//! `ayrene [--config FILE] [serve]`: arguments, settings, logs, run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line's own output")]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use ayrene::app::Application;
use ayrene::{config, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
ayrene: short links and a social service on one set of accounts

Usage: ayrene [--config FILE] [serve]

Options:
  -c, --config FILE  settings that differ from the defaults (TOML)
  -h, --help         this text
  -V, --version      the version

Every setting can be given in the environment as AYRENE__SECTION__KEY, for example
AYRENE__SERVER__BIND=0.0.0.0:80. config/default.toml lists them all.";

fn main() -> ExitCode {
    let file = match arguments() {
        Ok(Some(file)) => file,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ayrene: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(file.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ayrene: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    config: Option<PathBuf>,
}

/// `None` when the question has been answered already.
fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut arguments = Arguments { config: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => arguments.config = Some(parser.value()?.into()),
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            Short('V') | Long("version") => {
                println!("ayrene {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            Value(command) if command == "serve" => {}
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(arguments))
}

fn run(file: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let loaded = config::load(file.as_deref())?;
    telemetry::init_logs(&loaded.config.log)?;
    for name in &loaded.unknown {
        tracing::warn!(name, "there is no such setting; see config/default.toml");
    }
    let metrics = telemetry::init_metrics()?;
    actix::System::new().block_on(async move {
        let application = Application::build(loaded.config, metrics)?;
        let url = application.public_url();
        // Whoever started us may have closed our output: no reason to die.
        let _ = writeln!(
            std::io::stdout(),
            "ayrene listens on http://{}\nTry: curl -s {url}api/v1/url -H 'content-type: application/json' \
             -d '{{\"longUrl\":\"https://example.com/\"}}'",
            application.address()
        );
        application.run_until_stopped().await?;
        Ok(())
    })
}
