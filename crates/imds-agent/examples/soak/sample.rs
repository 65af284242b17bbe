//! Memory and descriptors of a process, and whether they grow.

use std::fmt;
use std::fs;
use std::time::Duration;

use crate::Outcome;

/// The first part of the time doesn't count: caches fill, and allocators find their size.
const WARM_UP: f64 = 0.25;
/// How much more memory the last third may have than the first, in KiB and as a part of it: the grain of the allocator.
const MEMORY: (u64, f64) = (1024, 0.05);
/// How many more descriptors, at the median: callers come and go.
const DESCRIPTORS: u64 = 8;

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    resident_kib: u64,
    descriptors: u64,
    threads: u64,
}

/// Samples of one process.
#[derive(Debug, Default)]
pub(crate) struct Series(Vec<Sample>);

impl Series {
    /// Takes a sample.
    ///
    /// # Errors
    /// Where the kernel doesn't tell of the process: it has ended.
    pub(crate) fn take(&mut self, process: u32, at: Duration) -> Outcome<()> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let number = |name: &str| -> Outcome<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|rest| rest.split_whitespace().next());
            Ok(word.ok_or_else(|| format!("/proc/{process}/status has no {name}"))?.parse()?)
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64;
        let (resident_kib, threads) = (number("VmRSS:")?, number("Threads:")?);
        self.0.push(Sample { at, resident_kib, descriptors, threads });
        Ok(())
    }

    /// The samples that count, in three parts.
    fn thirds(&self) -> [&[Sample]; 3] {
        let warm = (self.0.len() as f64 * WARM_UP) as usize;
        let counted = self.0.get(warm..).unwrap_or_default();
        let third = counted.len() / 3;
        let part = |from: usize, to: usize| counted.get(from..to).unwrap_or_default();
        [part(0, third), part(third, 2 * third), part(2 * third, counted.len())]
    }

    /// What grows, in words.
    pub(crate) fn growth(&self, who: &str) -> Vec<String> {
        let [first, middle, last] = self.thirds();
        if first.is_empty() {
            return vec![format!("too short to say anything of the {who}")];
        }
        let mut grown = Vec::new();
        let memory = [first, middle, last].map(|part| median(part, |sample| sample.resident_kib));
        let allowed = MEMORY.0.max((memory[0] as f64 * MEMORY.1) as u64);
        // What only swings goes down again.
        if memory[2] > memory[0] + allowed && memory[2] > memory[1] {
            grown.push(format!("the {who}'s memory grows from {} KiB to {} KiB", memory[0], memory[2]));
        }
        let descriptors = [first, last].map(|part| median(part, |sample| sample.descriptors));
        if descriptors[1] > descriptors[0] + DESCRIPTORS {
            grown.push(format!("the {who}'s descriptors grow from {} to {}", descriptors[0], descriptors[1]));
        }
        let threads = [first, last].map(|part| median(part, |sample| sample.threads));
        if threads[1] > threads[0] + 2 {
            grown.push(format!("the {who}'s threads grow from {} to {}", threads[0], threads[1]));
        }
        grown
    }
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The medians that were compared, and a line for every two minutes.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| median of the | memory, KiB | descriptors | threads |\n|---|---|---|---|")?;
        for (name, part) in ["first", "second", "last"].into_iter().zip(self.thirds()) {
            let of = |what: fn(&Sample) -> u64| median(part, what);
            let (memory, descriptors) = (of(|it| it.resident_kib), of(|it| it.descriptors));
            writeln!(f, "| {name} third | {memory} | {descriptors} | {} |", of(|it| it.threads))?;
        }
        let most = |of: fn(&Sample) -> u64| self.0.iter().map(of).max().unwrap_or_default();
        let (memory, descriptors) = (most(|it| it.resident_kib), most(|it| it.descriptors));
        writeln!(f, "| most at any time | {memory} | {descriptors} | {} |", most(|it| it.threads))?;
        writeln!(
            f,
            "\nThe first quarter of the time is in no third.\n\n| second | memory, KiB | descriptors |\n|---|---|---|"
        )?;
        let mut next = Duration::ZERO;
        for sample in &self.0 {
            if sample.at >= next {
                writeln!(
                    f,
                    "| {} | {} | {} |",
                    sample.at.as_secs(),
                    sample.resident_kib,
                    sample.descriptors
                )?;
                next = sample.at + Duration::from_secs(119);
            }
        }
        Ok(())
    }
}

/// What this runs on, in words.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let memory = read("/proc/meminfo");
    let kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    format!(
        "{cores} cores, {} GiB, Linux {}, {}",
        kib.unwrap_or_default() >> 20,
        kernel.trim(),
        std::env::consts::ARCH
    )
}
