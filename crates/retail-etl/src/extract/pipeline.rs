//! One file's blocks decoded by threads, and taken in the order of the file.
//!
//! ```text
//!            ┌─► decoder 0 ─┐
//! reader ────┼─► decoder 1 ─┼────► taker (the caller's thread)
//!            └─► decoder 2 ─┘
//! ```
//!
//! Blocks are dealt in turn and taken in turn, so their order is kept whatever the threads' speed.
//! Each arrow holds one block at the most: a slow taker stops the reader, and memory is bounded. The
//! memory of a block goes back to the reader, who fills it again.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope};

use crate::Error;
use crate::extract::blocks::{Block, Blocks};
use crate::extract::decode::{Decoded, Decoder};

/// Blocks that wait on each arrow.
const WAITING: usize = 1;

/// Decodes `first` and all blocks behind it with as many threads as there are decoders, and gives
/// what they held to `take`.
///
/// # Errors
/// The first that `take` or, after all blocks before it were taken, the reading has.
pub(super) fn decode_all<R: Read + Send>(
    blocks: &mut Blocks<R>,
    first: Block,
    mut decoders: Vec<Decoder>,
    take: &mut dyn FnMut(Decoded) -> Result<(), Error>,
) -> Result<(), Error> {
    if blocks.is_at_end() {
        // One block only: threads would take longer to start.
        return decoders.first_mut().map_or(Ok(()), |decoder| take(decoder.decode(&first)));
    }
    std::thread::scope(|scope| {
        let (mut to_decoders, mut decoded) = (Vec::new(), Vec::new());
        let (to_reader, used) = channel();
        for decoder in decoders {
            let (blocks, results) = start_decoder(scope, decoder, to_reader.clone())?;
            to_decoders.push(blocks);
            decoded.push(results);
        }
        let deal = move || deal(blocks, first, &to_decoders, &used);
        let reader = named("reader").spawn_scoped(scope, deal).map_err(Error::Threads)?;
        // The first of them that has no more is the one whose turn it was when the file ended.
        for results in decoded.iter().cycle() {
            match results.recv() {
                Ok(decoded) => take(decoded)?,
                Err(_) => break,
            }
        }
        // When `take` fails `decoded` is dropped, and so the threads end, one after the other.
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn start_decoder<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut decoder: Decoder,
    to_reader: Sender<Vec<u8>>,
) -> Result<(SyncSender<Block>, Receiver<Decoded>), Error> {
    let (to_decoder, blocks) = sync_channel::<Block>(WAITING);
    let (to_taker, decoded) = sync_channel(WAITING);
    let decode = move || {
        for block in blocks {
            let decoded = decoder.decode(&block);
            // At the end of the file the reader is gone.
            let _ = to_reader.send(block.bytes);
            if to_taker.send(decoded).is_err() {
                break;
            }
        }
    };
    named("decoder").spawn_scoped(scope, decode).map_err(Error::Threads)?;
    Ok((to_decoder, decoded))
}

/// Reads the file and deals its blocks out.
fn deal<R: Read>(
    blocks: &mut Blocks<R>,
    first: Block,
    to_decoders: &[SyncSender<Block>],
    used: &Receiver<Vec<u8>>,
) -> Result<(), Error> {
    let mut next = Some(first);
    for to_decoder in to_decoders.iter().cycle() {
        let Some(block) = next else { break };
        if to_decoder.send(block).is_err() {
            // The taker has failed, and tells why.
            break;
        }
        used.try_iter().for_each(|bytes| blocks.reuse(bytes));
        next = blocks.next()?;
    }
    Ok(())
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.to_owned())
}
