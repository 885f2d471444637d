use crate::client::Client;
use futures_lite::FutureExt;
use prometheus_rsocket_protocol::agent::PushFailure;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

/// Runs a job to its end, then pushes its metrics and closes the client. Returns the job's output, and how the push went.
///
/// Whatever way the job ends, the metrics are pushed: an error is an output like any other, and a panic goes on once the metrics are pushed.
/// They are not where a panic aborts the process (`panic = "abort"`), where somebody else ends the process, or where this future is dropped:
/// for signals, let the job itself wait for them.
///
/// The [front page](crate#batch-jobs) has an example. After the job, this takes no longer than [`Client::push_and_close`].
///
/// # Panics
///
/// If the job does.
pub async fn run_job<J: Future>(client: Client, job: J) -> (J::Output, Result<(), PushFailure>) {
    // Nothing of the job is looked at after a panic.
    let output = AssertUnwindSafe(job).catch_unwind().await;
    let pushed = client.push_and_close().await;
    match output {
        Ok(output) => (output, pushed),
        Err(panic) => {
            if let Err(error) = pushed {
                tracing::error!(%error, "the job has panicked, and its last metrics are lost");
            }
            resume_unwind(panic)
        }
    }
}
