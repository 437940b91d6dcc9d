//! Runs an external program to its end, within a time limit, and tells what it said when it fails.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time;

/// How much of a failed program's words is repeated, in bytes.
const SAID: usize = 2_000;

/// A program that could not be run, ran too long, or failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started or fed.
    #[error("failed to run {command}: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why it failed.
        source: io::Error,
    },
    /// It did not end in time and was killed.
    #[error("failed to finish {command} within {limit:?}")]
    Slow {
        /// The command line.
        command: String,
        /// The time it was given.
        limit: Duration,
    },
    /// It ended with an error.
    #[error("failed to run {command}: {status}: {said}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote to standard error and output.
        said: String,
    },
}

/// Runs `command`, feeds it `input`, and returns its standard output.
///
/// # Errors
/// It cannot be started, exits with an error, or takes longer than `limit`; then it is killed.
pub(crate) async fn run(mut command: Command, input: &[u8], limit: Duration) -> Result<String, CommandError> {
    let line = line(&command);
    let start = |source| CommandError::Start { command: line.clone(), source };
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(start)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that closes its input early says why by its exit code.
            let _ = stdin.write_all(input).await;
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    let Ok(output) = time::timeout(limit, both).await else {
        return Err(CommandError::Slow { command: line, limit });
    };
    let output = output.map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(SAID)..]).trim().to_owned();
    Err(CommandError::Failed { command: line, status: output.status, said })
}

/// Builds a command from a program and its arguments.
pub(crate) fn command<I>(program: impl AsRef<std::ffi::OsStr>, arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
{
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn output_input_and_failure_are_told() {
        let echoed = run(command("cat", [] as [&str; 0]), b"hello", LIMIT).await.unwrap();
        assert_eq!(echoed, "hello");
        let failure = run(command("sh", ["-c", "echo no luck >&2; exit 3"]), b"", LIMIT).await.unwrap_err();
        assert!(failure.to_string().contains("no luck"), "{failure}");
        let slow = run(command("sleep", ["60"]), b"", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(slow, CommandError::Slow { .. }), "{slow}");
    }
}
