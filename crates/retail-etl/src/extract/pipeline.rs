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
//! turn, so their order is kept whatever the threads' speed. Few decoded blocks wait: a slow taker stops
//! the reading, and memory is bounded.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope};

use crate::Error;
use crate::extract::blocks::{Block, Blocks};
use crate::extract::decode::{Decoded, Decoder};

/// Decoded blocks that wait for the taker, of all decoders together; of each at least one. With fewer the
/// threads take each other's cores more often: a twentieth of the time on two cores.
const WAITING: usize = 8;

/// Decodes `first` and all blocks behind it with as many threads as there are decoders (one at the
/// least), and gives what they held to `take`.
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
        let waiting = (WAITING / senders.len().max(1)).max(1);
        // Each gives the turn to the one behind it. The first has a block already.
        senders.rotate_left(1);
        let first_turn = senders.first().cloned();
        let mut first = Some(first);
        let decoded: Vec<_> = decoders
            .into_iter()
            .zip(turns.into_iter().zip(senders))
            .map(|(decoder, (turns, next))| {
                let (to_taker, decoded) = sync_channel(waiting);
                let decoder = Turns { decoder, turns, next, to_taker };
                decoder.start(scope, first.take())?;
                Ok(decoded)
            })
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

/// A decoder and its ways to the others.
struct Turns<'env, R> {
    decoder: Decoder,
    turns: Receiver<&'env mut Blocks<R>>,
    next: Sender<&'env mut Blocks<R>>,
    to_taker: SyncSender<Result<Decoded, Error>>,
}

impl<'env, R: Read + Send> Turns<'env, R> {
    /// Starts it: it decodes `first`, then a block whenever it is its turn.
    fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        first: Option<Block>,
    ) -> Result<(), Error> {
        let decoder = Builder::new().name("decoder".to_owned());
        decoder.spawn_scoped(scope, move || self.work(first)).map_err(Error::Threads)?;
        Ok(())
    }

    /// Until the file ends, or whoever it gives to is gone.
    fn work(self, first: Option<Block>) {
        let Self { mut decoder, turns, next, to_taker } = self;
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
            // One that has ended takes no turn: the taker has failed.
            let _ = next.send(blocks);
            if to_taker.send(Ok(decoder.decode(&block))).is_err() {
                break;
            }
            memory = block.bytes;
        }
    }
}
