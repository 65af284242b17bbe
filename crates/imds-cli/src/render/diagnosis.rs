//! `imds doctor`: verdict, cause and remedy in three lines, then the rest.

use std::fmt::Write as _;
use std::time::Duration;

use imds::doctor::{Finding, Report, Severity, Step, StepOutcome};

use crate::messages::visible;

/// The report for people. `steps` shows how asking went although all is well.
pub(crate) fn diagnosis(report: &Report, steps: bool) -> String {
    let mut text = format!("{}\n", visible(&verdict(report)));
    let mut findings = report.findings.iter();
    if !report.works
        && let Some(cause) = findings.next()
    {
        line(&mut text, "Cause: ", &cause.cause);
        let (first, more) = match cause.remedy.split_first() {
            Some((first, more)) => (("Type:  ", first.as_str()), more),
            None => (
                ("Do:    ", cause.advice.as_deref().unwrap_or("ask later; nothing else is known to help")),
                &[][..],
            ),
        };
        line(&mut text, first.0, first.1);
        for command in more {
            line(&mut text, "  or:  ", command);
        }
        if !cause.remedy.is_empty() {
            cause.advice.iter().for_each(|advice| line(&mut text, "Mind:  ", advice));
        }
        listed(&mut text, "Seen", &cause.evidence);
    }
    for finding in findings {
        also(&mut text, finding);
    }
    if !report.works || steps {
        text.push_str("\nSteps\n");
        report.steps.iter().for_each(|step| told(&mut text, step));
    }
    text
}

fn line(text: &mut String, label: &str, said: &str) {
    // Writing to a string can't fail, here and below.
    let _ = writeln!(text, "{label}{}", visible(said));
}

fn verdict(report: &Report) -> String {
    let who = [Some(report.outcome.to_string()), report.instance_id.clone()];
    let who = who.into_iter().flatten().collect::<Vec<_>>().join(" ");
    match &report.error {
        None => {
            let how = report.protocol.as_ref().map(|protocol| format!(" via {protocol}")).unwrap_or_default();
            format!("Metadata works: {who}{how} in {}", time(report.asking_time()))
        }
        Some(error) => format!("No metadata: {error}"),
    }
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        few if few < 9.95 => format!("{few:.1} ms"),
        many => format!("{many:.0} ms"),
    }
}

fn listed(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{title}");
        lines.iter().for_each(|seen| line(text, "  ", seen));
    }
}

fn also(text: &mut String, finding: &Finding) {
    let label = match finding.severity {
        Severity::Error => "Also",
        Severity::Warning => "Warning",
        Severity::Note => "Note",
    };
    let _ = writeln!(text, "\n{label}: {}", visible(&finding.cause));
    for (number, command) in finding.remedy.iter().enumerate() {
        line(text, if number == 0 { "  type: " } else { "  or:   " }, command);
    }
    if let (true, Some(advice)) = (finding.remedy.is_empty(), &finding.advice) {
        line(text, "  ", advice);
    }
}

fn told(text: &mut String, step: &Step) {
    let outcome = match step.outcome {
        StepOutcome::Ok => "ok",
        StepOutcome::Failed => "failed",
        StepOutcome::Skipped => "-",
    };
    let took = match step.outcome {
        StepOutcome::Skipped => String::new(),
        StepOutcome::Ok | StepOutcome::Failed => time(step.elapsed),
    };
    let _ = writeln!(text, "  {:<9}{outcome:<7}{took:>9}  {}", step.name.name(), visible(&step.detail));
}
