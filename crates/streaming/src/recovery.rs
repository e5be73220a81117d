//! From what a killed process left to a state to go on from.

use std::fs;

use crate::Error;
use crate::checkpoint::{CheckpointFolder, Identity, Restored};
use crate::origin::Origin;
use crate::sink::{EpochOutput, Guarantee, Sink};

/// Forgets checkpoints and output, unless an output is another job's.
pub(crate) fn reset(
    folder: &CheckpointFolder,
    origin: &Origin,
    sinks: &mut [Box<dyn Sink>],
) -> Result<(), Error> {
    for sink in &mut *sinks {
        refuse_another_job(&sink.name(), sink.written_by()?.as_ref(), origin)?;
    }
    // Checkpoints first: a kill in between leaves sinks that are ahead, which the next start
    // refuses and names.
    folder.clear()?;
    clear_delivered(folder)?;
    for sink in sinks {
        sink.reset()?;
    }
    Ok(())
}

/// Rows of a job of another name are not this one's to write on, let alone to wipe.
pub(crate) fn refuse_another_job(
    sink: &str,
    found: Option<&Origin>,
    own: &Origin,
) -> Result<(), Error> {
    match found {
        Some(found) if found.is_another_job(own) => {
            let job = found.job().unwrap_or_default();
            Err(Error::Checkpoint(format!(
                "{sink}: the rows there are those of {found}, not of {}: write elsewhere, or, if they may \
                 go, run that job with --job {job} --reset, or remove them by hand",
                own.job().unwrap_or_default()
            )))
        }
        _ => Ok(()),
    }
}

/// The checkpoint to go on from, its epoch made sure to be in every sink; `None` at the start of
/// all. `origin` is the job's if this is the start of all.
pub(crate) fn recover(
    folder: &CheckpointFolder,
    identity: &Identity,
    origin: &Origin,
    sinks: &mut [Box<dyn Sink>],
) -> Result<Option<Restored>, Error> {
    let restored = folder.latest()?;
    let checkpoint = restored.as_ref().map(|restored| &restored.checkpoint);
    let epoch = checkpoint.map_or(0, |checkpoint| checkpoint.epoch);
    if let Some(checkpoint) = checkpoint {
        let place = format!("the checkpoint in {}", folder.path().display());
        identity.check(&checkpoint.identity, &place)?;
    }
    let origin = checkpoint.map_or(origin, |checkpoint| &checkpoint.origin);
    let mut lacking = Vec::new();
    for (at, sink) in sinks.iter_mut().enumerate() {
        sink.take_over(origin, epoch)?;
        if sink.guarantee() == Guarantee::ExactlyOnce {
            // Before anything there is touched.
            let found = sink.written_by()?;
            refuse_another_job(&sink.name(), found.as_ref(), origin)?;
            if let (Some(found), true) = (found, epoch > 0)
                && found != *origin
            {
                return Err(Error::Checkpoint(another_start(&sink.name(), &found, origin, folder)));
            }
            let held = sink.last_epoch()?.unwrap_or(0);
            if held + 1 == epoch {
                lacking.push(at);
            } else if held != epoch {
                return Err(Error::Checkpoint(disagreement(&sink.name(), held, epoch, folder)));
            }
        }
    }
    let Some(checkpoint) = checkpoint else { return Ok(None) };
    let next_offsets = checkpoint.next_offsets();
    let output = EpochOutput { epoch, tables: &checkpoint.output, next_offsets: &next_offsets };
    // Sinks that cannot tell get the epoch again unless it is known that they had it.
    if !lacking.is_empty() || delivered(folder) != Some(epoch) {
        let telling = |sink: &dyn Sink| sink.guarantee() == Guarantee::ExactlyOnce;
        for (at, sink) in sinks.iter_mut().enumerate() {
            if lacking.contains(&at) || !telling(&**sink) {
                tracing::info!(epoch, sink = sink.name(), "writing the epoch that was cut off");
                sink.commit(output)?;
            }
        }
        note_delivered(folder, epoch)?;
    }
    Ok(restored)
}

fn another_start(sink: &str, found: &Origin, origin: &Origin, folder: &CheckpointFolder) -> String {
    format!(
        "{sink} holds rows of {found}, but the checkpoint in {} is of {origin}: they do not belong together; \
         give the folder that does (--checkpoint DIR), another output, or --reset to compute all anew",
        folder.path().display()
    )
}

fn disagreement(sink: &str, held: u64, epoch: u64, folder: &CheckpointFolder) -> String {
    let folder = folder.path().display();
    match (held, epoch) {
        (0, _) => format!(
            "the checkpoint in {folder} stands at epoch {epoch}, but {sink} holds nothing of this job: earlier rows would \
             be missing there; --reset to compute all anew, or give another --checkpoint and --job"
        ),
        (_, 0) => format!(
            "{sink} holds epoch {held} of this job, but there is no checkpoint in {folder}: give the folder that belongs \
             to it (--checkpoint DIR), another --job and output, or --reset to compute all anew"
        ),
        _ => format!(
            "{sink} holds epoch {held}, but the checkpoint in {folder} stands at epoch {epoch}: they do not belong \
             together; give the folder that does, or --reset to compute all anew"
        ),
    }
}

/// Notes that every sink has the epoch, for the sinks that cannot tell by themselves. Losing the
/// note costs no more than an epoch delivered twice there.
pub(crate) fn note_delivered(folder: &CheckpointFolder, epoch: u64) -> Result<(), Error> {
    let path = folder.path().join("delivered");
    fs::write(&path, epoch.to_string()).map_err(|source| Error::File {
        action: "write",
        path,
        source,
    })
}

fn delivered(folder: &CheckpointFolder) -> Option<u64> {
    fs::read_to_string(folder.path().join("delivered")).ok()?.trim().parse().ok()
}

fn clear_delivered(folder: &CheckpointFolder) -> Result<(), Error> {
    let path = folder.path().join("delivered");
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { action: "remove", path, source })
        }
        _ => Ok(()),
    }
}
