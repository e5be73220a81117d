//! The upper lines: who, how fast, how much, how late, how far behind.

use arus_runtime::number::group_digits;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::pulse::Pulse;
use super::text::{BOLD, DIM, bar, cut, fit, period, text_width};
use crate::progress::{PartitionProgress, Progress, Totals};
use crate::sink::cells;

/// A job that lags by more than this many seconds of its own speed is catching up.
const CATCHING_UP_SECONDS: f64 = 5.0;

/// What a job keeps, which the head tells in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum Keeps {
    /// Windows, which the watermark closes.
    Windows,
    /// Rows, for which there is no watermark.
    Rows,
}

pub(in crate::sink) fn lines(pulse: &Pulse, keeps: Keeps, width: usize) -> Vec<Line<'static>> {
    let Some(progress) = &pulse.progress else {
        return vec![title(pulse, "starting", Color::Yellow, "", width), Line::raw("")];
    };
    let (word, colour) = condition(pulse, progress);
    let uptime = period(i64::try_from(progress.uptime.as_secs()).unwrap_or(i64::MAX));
    let remark = format!(" · epoch {} · up {uptime}", group_digits(progress.epoch));
    let mut lines = vec![title(pulse, word, colour, &remark, width), speed(pulse, progress, width)];
    lines.extend(totals("this run", &fates(progress, keeps), width));
    lines.push(match keeps {
        Keeps::Windows => watermark(progress, width),
        Keeps::Rows => kept(progress),
    });
    lines.extend(lag(progress, width));
    lines
}

fn condition(pulse: &Pulse, progress: &Progress) -> (&'static str, Color) {
    let lag = total_lag(progress);
    if pulse.ended {
        ("ended", Color::Cyan)
    } else if lag as f64 > (progress.rows_per_second * CATCHING_UP_SECONDS).max(1_000.0) {
        ("catching up", Color::Yellow)
    } else if progress.rows_per_second > 0.0 {
        ("running", Color::Green)
    } else {
        ("waiting for events", Color::Yellow)
    }
}

fn title(
    pulse: &Pulse,
    word: &'static str,
    colour: Color,
    rest: &str,
    width: usize,
) -> Line<'static> {
    let right = text_width(word) + 2 + text_width(rest);
    let name = cut(&pulse.job, width.saturating_sub(right + 2));
    let gap = width.saturating_sub(text_width(&name) + right);
    Line::from(vec![
        Span::styled(name, BOLD),
        Span::raw(" ".repeat(gap)),
        Span::styled(format!("● {word}"), Style::new().fg(colour)),
        Span::styled(rest.to_owned(), DIM),
    ])
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is never below 0"
)]
fn whole(rate: f64) -> u64 {
    rate.max(0.0).round() as u64
}

/// `  12,345 events/s ▁▂▃▅▇█  peak 20,000`
fn speed(pulse: &Pulse, progress: &Progress, width: usize) -> Line<'static> {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let now = format!("{:>10}", group_digits(whole(progress.rows_per_second)));
    let room = width.saturating_sub(text_width(&now) + 26).min(120);
    let shown: Vec<f64> = pulse.rates.iter().rev().take(room).rev().copied().collect();
    let peak = shown.iter().copied().fold(0.0, f64::max);
    let step = |rate: &f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        let step = if peak > 0.0 { (rate / peak * 7.0).round() as usize } else { 0 };
        STEPS[step.min(7)]
    };
    let sparks: String = shown.iter().map(step).collect();
    Line::from(vec![
        Span::styled(now, BOLD),
        Span::styled(" events/s  ", DIM),
        Span::styled(fit(&sparks, room, true), Style::new().fg(Color::Cyan)),
        Span::styled(format!(" max {}", group_digits(whole(peak))), DIM),
    ])
}

/// What became of the records of this run: the first count is of all, the others add up to it.
fn fates(progress: &Progress, keeps: Keeps) -> Vec<(String, u64, Style)> {
    let attention = |count: u64, colour| if count > 0 { Style::new().fg(colour) } else { DIM };
    let Totals { read, counted, late, rejected } = progress.run;
    let good = Style::new().fg(Color::Green);
    let mut fates = vec![("read".to_owned(), read, BOLD)];
    match keeps {
        Keeps::Windows => {
            fates.push(("counted".to_owned(), counted, good));
            fates.push(("late".to_owned(), late, attention(late, Color::Yellow)));
        }
        Keeps::Rows => fates.extend(progress.tallies.iter().map(|(name, &count)| {
            let style = if *name == "changed" { good } else { attention(count, Color::Yellow) };
            (name.replace('_', " "), count, style)
        })),
    }
    fates.push(("rejected".to_owned(), rejected, attention(rejected, Color::Red)));
    fates
}

/// `read 1,234 = counted 1,200 + late 30 + rejected 4`, in as many lines as it takes.
fn totals(
    remark: &'static str,
    fates: &[(String, u64, Style)],
    width: usize,
) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for (at, (name, count, style)) in fates.iter().enumerate() {
        let sign = ["", " = ", " + "][at.min(2)];
        let label = Span::styled(format!("{sign}{name} "), DIM);
        let count = Span::styled(group_digits(*count), *style);
        let line = lines.last_mut().expect("there is always one");
        if line.width() + label.width() + count.width() <= width {
            line.extend([label, count]);
        } else {
            lines.push(Line::from(vec![label, count]));
        }
    }
    let line = lines.last_mut().expect("there is always one");
    let used = line.width() + text_width(remark);
    if used + 3 <= width {
        line.push_span(Span::styled(format!("{}{remark}", " ".repeat(width - used)), DIM));
    }
    lines
}

/// `keeps 2,974 rows · 1.2 MiB`
fn kept(progress: &Progress) -> Line<'static> {
    Line::from(vec![
        Span::styled("keeps ", DIM),
        Span::styled(group_digits(progress.open_rows as u64), BOLD),
        Span::styled(format!(" rows · {}", bytes(progress.state_bytes)), DIM),
    ])
}

fn watermark(progress: &Progress, width: usize) -> Line<'static> {
    let clock = cells::time_of_day(progress.wall_ms.div_euclid(1_000) * 1_000);
    let label = Span::styled("watermark ", DIM);
    let Some(watermark_ms) = progress.watermark_ms else {
        return Line::from(vec![label, Span::styled("none yet", Style::new().fg(Color::Yellow))]);
    };
    let seconds = (progress.wall_ms - watermark_ms).div_euclid(1_000);
    let (distance, side) =
        if seconds >= 0 { (period(seconds), "behind") } else { (period(-seconds), "ahead of") };
    let mut spans = vec![
        label,
        Span::styled(cells::time_of_day(watermark_ms.div_euclid(1_000) * 1_000), BOLD),
        Span::styled(" UTC · ", DIM),
        Span::raw(distance),
        Span::styled(format!(" {side} the wall clock ({clock})"), DIM),
    ];
    let memory = format!(
        "{} open · {} closed · {}",
        group_digits(progress.open_windows as u64),
        group_digits(progress.closed_windows),
        bytes(progress.state_bytes)
    );
    let used: usize = spans.iter().map(Span::width).sum();
    if used + text_width(&memory) + 2 <= width {
        let gap = width - used - text_width(&memory);
        spans.push(Span::styled(format!("{}{memory}", " ".repeat(gap)), DIM));
    }
    Line::from(spans)
}

fn bytes(count: usize) -> String {
    match count {
        ..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KiB", count / 1_024),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

fn total_lag(progress: &Progress) -> i64 {
    progress.partitions.iter().filter_map(PartitionProgress::lag).sum()
}

/// `lag 1,234 │ 0 ▊    12 │ 1 idle │ …`: as many partitions as fit in two lines.
fn lag(progress: &Progress, width: usize) -> Vec<Line<'static>> {
    const CELL: usize = 16;
    let total = format!("{:<8}", group_digits(total_lag(progress).unsigned_abs()));
    let per_line = (width.saturating_sub(12) / CELL).max(1);
    let most = per_line * if progress.partitions.len() > per_line { 2 } else { 1 };
    // The last cell tells of those that have none.
    let hidden = progress.partitions.len().saturating_sub(most);
    let shown = if hidden > 0 { most - 1 } else { most };
    let mut partitions: Vec<_> =
        progress.partitions.iter().take(shown).map(|partition| lag_cell(partition, CELL)).collect();
    if hidden > 0 {
        let rest =
            progress.partitions[shown..].iter().filter_map(PartitionProgress::lag).sum::<i64>();
        let text = format!("+{} more: {}", hidden + 1, group_digits(rest.unsigned_abs()));
        partitions.push(vec![Span::styled(cut(&text, CELL), DIM)]);
    }
    let mut lines = Vec::new();
    for (index, cells) in partitions.chunks(per_line).enumerate() {
        let mut spans = if index == 0 {
            vec![Span::styled("lag ", DIM), Span::styled(total.clone(), BOLD)]
        } else {
            vec![Span::raw(" ".repeat(12))]
        };
        spans.extend(cells.iter().flatten().cloned());
        lines.push(Line::from(spans));
    }
    if lines.is_empty() {
        lines.push(Line::styled("lag: no partition yet", DIM));
    }
    lines
}

/// `p0 ███▌      1,234 `; the bar is logarithmic: one record is a sliver, a million fill it.
fn lag_cell(partition: &PartitionProgress, width: usize) -> Vec<Span<'static>> {
    let name = Span::styled(format!("p{:<2}", partition.partition), DIM);
    let room = width - 4;
    let lag = partition.lag();
    if partition.idle && lag.unwrap_or(0) == 0 {
        return vec![name, Span::styled(fit("idle", room, false), DIM), Span::raw(" ")];
    }
    let text = lag.map_or_else(|| "?".to_owned(), |lag| group_digits(lag.unsigned_abs()));
    let number = if text_width(&text) < 7 { format!("{text:>7}") } else { text };
    let bar_width = room.saturating_sub(text_width(&number) + 1);
    let share = ((lag.unwrap_or(0) + 1) as f64).log10() / 6.0;
    let colour = if lag.unwrap_or(0) > 10_000 { Color::Yellow } else { Color::Green };
    vec![
        name,
        Span::styled(bar(share, bar_width), Style::new().fg(colour)),
        Span::raw(" "),
        Span::raw(number),
        Span::raw(" "),
    ]
}
