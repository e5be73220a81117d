//! One file's blocks decoded by threads, and taken in the order of the file.
//!
//! ```text
//!   ┌─► decoder 0 ──┐
//!   │       ▼ turn  ├──► taker (the caller's thread)
//!   └── decoder 1 ──┘
//! ```
//!
//! The decoders read the file in turn: whose turn it is reads one block, gives the turn to the next
//! one, and decodes what it has read, which is still in its core's cache. Blocks are taken in the same
//! turn, so their order is kept whatever the threads' speed. A decoder holds one block and what the
//! taker has not taken of the one before: a slow taker stops the reading, and memory is bounded.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{Builder, Scope};

use crate::Error;
use crate::extract::blocks::{Block, Blocks};
use crate::extract::decode::{Decoded, Decoder};

/// Decoded blocks that wait for the taker, of each decoder.
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
        let (mut senders, turns): (Vec<_>, Vec<_>) = decoders.iter().map(|_| channel()).unzip();
        // Each gives the turn to the one behind it. The first has a block already.
        senders.rotate_left(1);
        let first_turn = senders.first().cloned();
        let mut first = Some(first);
        let decoded: Vec<_> = decoders
            .into_iter()
            .zip(turns.into_iter().zip(senders))
            .map(|(decoder, (turns, next))| start(scope, decoder, first.take(), turns, next))
            .collect::<Result<_, Error>>()?;
        if let Some(turn) = first_turn {
            let _ = turn.send(blocks);
        }
        // The first of them that has no more is the one whose turn it was when the file ended.
        for results in decoded.iter().cycle() {
            match results.recv() {
                Ok(decoded) => take(decoded?)?,
                Err(_) => break,
            }
        }
        Ok(())
        // When `take` fails `decoded` is dropped, and so the threads end, one after the other.
    })
}

/// Starts a decoder, which decodes `first`, then a block whenever it is its turn.
fn start<'scope, 'env, R: Read + Send>(
    scope: &'scope Scope<'scope, 'env>,
    mut decoder: Decoder,
    first: Option<Block>,
    turns: Receiver<&'env mut Blocks<R>>,
    next: Sender<&'env mut Blocks<R>>,
) -> Result<Receiver<Result<Decoded, Error>>, Error> {
    let (to_taker, decoded) = sync_channel(WAITING);
    let work = move || {
        let mut memory = Vec::new();
        if let Some(block) = first {
            if to_taker.send(Ok(decoder.decode(&block))).is_err() {
                return;
            }
            memory = block.bytes;
        }
        for blocks in turns {
            let block = match blocks.next(std::mem::take(&mut memory)) {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(error) => {
                    let _ = to_taker.send(Err(error));
                    break;
                }
            };
            // One that has ended already leaves its turn to nobody: the taker has failed.
            let _ = next.send(blocks);
            if to_taker.send(Ok(decoder.decode(&block))).is_err() {
                break;
            }
            memory = block.bytes;
        }
    };
    Builder::new().name("decoder".to_owned()).spawn_scoped(scope, work).map_err(Error::Threads)?;
    Ok(decoded)
}
