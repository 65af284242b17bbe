//! What `imds agent` bears and what it costs: `cargo bench -p imds-cli --bench agent_load`.
//!
//! | part | what is measured |
//! |---|---|
//! | `throughput` | requests a second, beside a server of the same framework that answers a constant of the same length; both are processes of their own with one thread, asked by the same callers, in turns |
//! | `crowd` | ten thousand connections at once: memory for each, what they cost the service, and how long one more caller waits |
//! | `attack` | how long one caller waits while others flood, pipeline, drip or don't read |
//! | `idle` | memory, and how often the agent wakes in a minute in which nobody asks |
//!
//! A word after `--` runs that part alone; `figures` prints for `bench/run` what it shows of this. The agent is the command itself with a service of its own on loopback; nothing
//! else is asked.
#![cfg_attr(
    all(target_os = "linux", feature = "agent"),
    expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout,
        reason = "a benchmark prints, and fails by panicking"
    )
)]

#[cfg(all(target_os = "linux", feature = "agent"))]
mod caller;
#[cfg(all(target_os = "linux", feature = "agent"))]
mod figures;
#[cfg(all(target_os = "linux", feature = "agent"))]
mod parts;
#[cfg(all(target_os = "linux", feature = "agent"))]
mod servers;

#[cfg(all(target_os = "linux", feature = "agent"))]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let [word, socket, answer] = arguments.as_slice()
        && word == servers::CONSTANT
    {
        return runtime.block_on(servers::constant(socket, answer));
    }
    // Without `--bench` it runs as a test: nothing is measured.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let wanted = |part: &str| {
        let mut words = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        words.peek().is_none() || words.any(|word| word == part)
    };
    servers::make_room();
    runtime.block_on(async {
        if arguments.iter().any(|argument| argument == "figures") {
            return figures::print().await;
        }
        if wanted("throughput") {
            parts::throughput().await;
        }
        if wanted("crowd") {
            parts::crowd().await;
        }
        if wanted("attack") {
            parts::attack().await;
        }
        if wanted("idle") {
            parts::idle().await;
        }
    });
}

#[cfg(not(all(target_os = "linux", feature = "agent")))]
fn main() {}
