//! The paper's day under every policy: table, curves, and one period as a pool to solve.

use serde::Serialize;
use videocloud_scheduler::simulator::Arm;
use videocloud_scheduler::simulator::day::{
    Calibration, Day, DayResult, Knowledge, PaperMultipliers, Trace, calibrate, play,
};
use videocloud_scheduler::simulator::experiment::{GainPoint, gain_curves};

use super::{print_json, watched};
use crate::command::cli::SimulateArgs;
use crate::command::error::CommandError;
use crate::command::plot::{Axis, Chart, Line};
use crate::command::write::Sink;

const ARMS: [Arm; 8] = [
    Arm::FreeCompetitive,
    Arm::Proportional,
    Arm::Ration,
    Arm::InjectionFirst,
    Arm::Multiplier,
    Arm::Balanced,
    Arm::Delay,
    Arm::TARGET,
];

/// Spreads of the curve of gains, in units of the day's.
const SCALES: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0];

#[derive(Debug, Serialize)]
struct Summary {
    day: Day,
    seed: u64,
    calibration: Option<Calibration>,
    multipliers: Vec<(&'static str, f64)>,
    hungry: Vec<(&'static str, f64)>,
    gains: Vec<GainPoint>,
}

/// Plays the day.
pub(super) fn run(args: &SimulateArgs) -> Result<(), CommandError> {
    let mut day = Day { swarms: args.swarms.unwrap_or(1457), ..Day::default() };
    let mut calibration = None;
    if args.calibrate {
        let wanted = PaperMultipliers::default();
        let found = watched("calibrating", |progress| calibrate(&day, wanted, args.seed, progress))?;
        day.spread = found.spread;
        calibration = Some(found);
    }
    let arms = ARMS.map(|arm| (arm, Knowledge::True));
    let played = watched("playing the day", |progress| play(&day, &arms, args.seed, progress))?;
    write(&args.out, &played)?;
    if let Some(path) = &args.pool {
        pool(path, &day, args.seed)?;
    }
    let gains = if args.gains {
        // A quarter of the periods shows the same curve.
        let thin = Day { stride: 4, ..day };
        watched("curve of gains", |progress| gain_curves(&thin, &SCALES, args.seed, progress))?
    } else {
        Vec::new()
    };
    if let Some(folder) = &args.plots {
        draw(folder, &played, &gains)?;
    }
    let column = |value: fn(&DayResult) -> f64| played.iter().map(|p| (p.arm.name(), value(p))).collect();
    let (multipliers, hungry) = (column(|p| p.multiplier), column(|p| p.hungry));
    print(&played, &gains);
    let summary = Summary { day, seed: args.seed, calibration, multipliers, hungry, gains };
    if args.json { print_json(&summary) } else { Ok(()) }
}

fn write(path: &str, played: &[DayResult]) -> Result<(), CommandError> {
    let mut sink = Sink::open(path)?;
    sink.write("policy,period,leechers,seeders,capacity,upload,download,multiplier,dev_mu,hungry\n")?;
    for arm in played {
        for (number, p) in arm.periods.iter().enumerate() {
            let multiplier = p.download / p.upload.max(f64::MIN_POSITIVE);
            sink.write(&format!(
                "{},{number},{:.1},{:.1},{:.0},{:.0},{:.0},{multiplier:.4},{:.4},{:.4}\n",
                arm.arm.name(),
                p.leechers,
                p.seeders,
                p.capacity,
                p.upload,
                p.download,
                p.deviation,
                p.hungry,
            ))?;
        }
    }
    sink.finish()
}

/// The swarms of the period with the most to share, with their true laws.
fn pool(path: &str, day: &Day, seed: u64) -> Result<(), CommandError> {
    let trace = Trace::draw(day, seed)?;
    let busiest = (0..trace.periods()).max_by(|&a, &b| trace.capacity[a].total_cmp(&trace.capacity[b])).unwrap_or(0);
    let mut sink = Sink::open(path)?;
    sink.write("id,seeders,leechers,a,b,f\n")?;
    for swarm in 0..trace.swarms {
        let (audience, law) = (trace.audience(busiest, swarm), trace.law(busiest, swarm));
        let (s, l) = (audience.seeders.get(), audience.leechers.get());
        sink.write(&format!("swarm-{swarm:04},{s:.2},{l:.2},{:.4},{:.4},{:.4}\n", law.a(), law.b(), law.ln_f().exp()))?;
    }
    sink.finish()?;
    eprintln!("{path}: {} swarms; the period has {:.0} B/s to share", trace.swarms, trace.capacity[busiest]);
    Ok(())
}

fn draw(folder: &str, played: &[DayResult], gains: &[GainPoint]) -> Result<(), CommandError> {
    let shown = [Arm::FreeCompetitive, Arm::Proportional, Arm::Ration, Arm::Multiplier];
    let line = |arm: &DayResult| {
        let hour = 24.0 / arm.periods.len().max(1) as f64;
        let point =
            |(i, p): (usize, &videocloud_scheduler::simulator::day::Period)| (i as f64 * hour, p.download / p.upload);
        Line {
            name: arm.arm.name().to_owned(),
            points: arm.periods.iter().enumerate().map(point).collect(),
            marks: false,
        }
    };
    let lines = played.iter().filter(|p| shown.contains(&p.arm)).map(line).collect();
    let x = Axis { label: "hour of the day", log: false, from_zero: true };
    let y = Axis { label: "D/S", log: false, from_zero: false };
    Chart { title: "Bandwidth multiplier over the day", x, y, lines }.save(folder, "day.svg")?;
    if gains.is_empty() {
        return Ok(());
    }
    let over = |name: &str, value: fn(&GainPoint) -> f64| {
        let points = gains.iter().map(|g| (g.level_sd, 100.0 * value(g))).collect();
        Line { name: format!("over {name}"), points, marks: true }
    };
    let lines = vec![
        over("free-competitive", |g| g.over_free),
        over("proportional", |g| g.over_proportional),
        over("ration", |g| g.over_ration),
    ];
    let x = Axis {
        label: "standard deviation of ln f between swarms (those of a and b grow alike)",
        log: false,
        from_zero: true,
    };
    let y = Axis { label: "gain in D/S (%)", log: false, from_zero: true };
    Chart { title: "What the gain of the optimum depends on", x, y, lines }.save(folder, "gains.svg")
}

fn print(played: &[DayResult], gains: &[GainPoint]) {
    eprintln!("{:<18}{:>8}{:>10}", "policy", "D/S", "hungry %");
    for arm in played {
        eprintln!("{:<18}{:>8.3}{:>10.2}", arm.arm.name(), arm.multiplier, 100.0 * arm.hungry);
    }
    if !gains.is_empty() {
        let head = ["sd(a)", "sd(ln f)", "D/S", "over free", "over prop.", "over ration"];
        eprintln!("\n{:>7}{:>10}{:>8}{:>12}{:>12}{:>13}", head[0], head[1], head[2], head[3], head[4], head[5]);
    }
    for g in gains {
        let [free, proportional, ration] = [g.over_free, g.over_proportional, g.over_ration].map(|gain| 100.0 * gain);
        let (a, level, best) = (g.a_sd, g.level_sd, g.multiplier);
        eprintln!("{a:>7.3}{level:>10.3}{best:>8.3}{free:>10.1} %{proportional:>10.1} %{ration:>11.1} %");
    }
}
