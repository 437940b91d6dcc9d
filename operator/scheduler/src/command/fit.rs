//! `fit`: the law of each swarm from what was measured of it.

use serde::Serialize;
use videocloud_scheduler::estimator::{Bank, Estimator, Sample, SwarmId, View, least_squares};
use videocloud_scheduler::model::PowerLaw;
use videocloud_scheduler::units::Audience;

use super::cli::{FitArgs, Method};
use super::error::CommandError;
use super::progress;
use super::read::{Input, Samples, samples};
use super::write::{Sink, counted, push_name};

/// Where a law comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The swarm's own samples.
    Fitted,
    /// Its own samples, moved into the range of laws.
    Clamped,
    /// Too few or too uniform samples: what is usual, corrected by what the samples say.
    Population,
    /// A lone viewer, or nobody: no law.
    Solo,
}

/// What was found, for people and scripts.
#[derive(Debug, Default, Serialize)]
struct Summary {
    samples: usize,
    swarms: usize,
    fitted: usize,
    clamped: usize,
    population: usize,
    solo: usize,
    /// Mean relative error of the predicted downloads, over swarms with a fit of their own.
    mean_error: f64,
}

/// Reads, fits, writes.
pub(crate) fn run(args: &FitArgs) -> Result<(), CommandError> {
    if args.json && args.out == "-" {
        return Err(CommandError::Usage("--json needs the standard output; give --out a file".to_owned()));
    }
    let read = samples(Input::open(&args.samples)?)?;
    let bank = learn(&read);
    let mut summary = Summary { samples: read.samples.len(), swarms: read.ids.len(), ..Summary::default() };
    let mut sink = Sink::open(&args.out)?;
    sink.write("id,seeders,leechers,a,b,f,samples,a_error,source\n")?;
    let (mut rest, mut row, mut errors) = (&read.samples[..], String::new(), 0.0);
    for (swarm, id) in read.ids.iter().enumerate() {
        let own = rest.iter().take_while(|sample| sample.swarm.0 as usize == swarm).count();
        let (mine, others) = rest.split_at(own);
        rest = others;
        let audience = mine.last().map_or_else(Audience::default, |sample| sample.audience);
        let (law, error, source) = law(args.method, &bank, SwarmId(swarm as u32), mine, &mut errors);
        let word = match source {
            Source::Fitted => count(&mut summary.fitted, "fitted"),
            Source::Clamped => count(&mut summary.clamped, "clamped"),
            Source::Population => count(&mut summary.population, "population"),
            Source::Solo => count(&mut summary.solo, "solo"),
        };
        row.clear();
        push_name(&mut row, id);
        let peers = format!(",{},{}", audience.seeders.get(), audience.leechers.get());
        row.push_str(&peers);
        match law {
            Some(law) => {
                let f = law.ln_f().exp().clamp(f64::MIN_POSITIVE, f64::MAX);
                row.push_str(&format!(",{},{},{f},{own},{error},{word}\n", law.a(), law.b()));
            }
            None => row.push_str(&format!(",,,,{own},,{word}\n")),
        }
        sink.write(&row)?;
    }
    sink.finish()?;
    let own = summary.fitted + summary.clamped;
    summary.mean_error = if own > 0 { errors / own as f64 } else { 0.0 };
    report(args, &summary)
}

fn count(number: &mut usize, word: &'static str) -> &'static str {
    *number += 1;
    word
}

/// The Kalman bank after all intervals.
fn learn(read: &Samples) -> Bank {
    let mut bank = Bank::with_swarms(View::Full, read.ids.len() as u32);
    let mut order: Vec<&Sample> = read.samples.iter().collect();
    order.sort_by_key(|sample| (sample.interval, sample.swarm));
    let bar = progress::steps("learning");
    let mut batch = Vec::new();
    for interval in order.chunk_by(|a, b| a.interval == b.interval) {
        batch.clear();
        batch.extend(interval.iter().map(|&&sample| sample));
        bank.update(&batch);
        bar.inc(1);
    }
    bar.finish_and_clear();
    bank
}

/// A law, the standard error of its `a`, and where it comes from; adds the relative error of an own fit.
fn law(
    method: Method,
    bank: &Bank,
    swarm: SwarmId,
    samples: &[Sample],
    errors: &mut f64,
) -> (Option<PowerLaw>, f64, Source) {
    if samples.iter().all(|sample| sample.audience.is_solo() || sample.audience.is_idle()) {
        return (None, 0.0, Source::Solo);
    }
    if method == Method::LeastSquares
        && let Ok(fit) = least_squares(samples, View::Full)
    {
        *errors += fit.mean_error;
        let moved = fit.law.a() != fit.a.0 || fit.law.b() != fit.b.0;
        return (Some(fit.law), fit.a.1, if moved { Source::Clamped } else { Source::Fitted });
    }
    match bank.estimate(swarm) {
        Some(known) if method == Method::Kalman && known.samples > 0 => {
            *errors += relative_error(&known.power, samples);
            (Some(known.power), known.a_error, Source::Fitted)
        }
        Some(known) => (Some(known.power), known.a_error, Source::Population),
        None => (None, 0.0, Source::Solo),
    }
}

fn relative_error(law: &PowerLaw, samples: &[Sample]) -> f64 {
    use videocloud_scheduler::model::Law;
    let seen = samples.iter().filter(|sample| sample.download.get() > 0.0);
    let error =
        |sample: &Sample| (law.download(sample.audience, sample.upload).get() / sample.download.get() - 1.0).abs();
    let (sum, n) = seen.map(error).fold((0.0, 0), |(sum, n), error| (sum + error, n + 1));
    if n > 0 { sum / f64::from(n) } else { 0.0 }
}

fn report(args: &FitArgs, summary: &Summary) -> Result<(), CommandError> {
    if summary.clamped > 0 {
        eprintln!(
            "warning: the samples of {} say a or b outside of 0.05 <= a <= 0.9, b >= 0; these were put into the range and the \
             level solved again (source `clamped`)",
            counted(summary.clamped, "swarm")
        );
    }
    if args.json {
        let mut sink = Sink::open("-")?;
        sink.write(&serde_json::to_string_pretty(summary).unwrap_or_default())?;
        sink.write("\n")?;
        return sink.finish();
    }
    let own = summary.fitted + summary.clamped > 0;
    let error = if own { format!("; mean relative error {:.1} %", 100.0 * summary.mean_error) } else { String::new() };
    eprintln!(
        "{} of {}: {} fitted, {} clamped, {} by the population, {} without a law{error}",
        counted(summary.samples, "sample"),
        counted(summary.swarms, "swarm"),
        summary.fitted,
        summary.clamped,
        summary.population,
        summary.solo,
    );
    Ok(())
}
