//! What the made-up shop sells: patterns on things, and a few products of their own.

/// A product's price list entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Special {
    /// Its stock code.
    pub(super) code: &'static str,
    /// Its description.
    pub(super) name: &'static str,
    /// Its price, 1/1000 pound.
    pub(super) price: u32,
}

/// The patterns; each is a letter of the stock code.
const PATTERNS: [&str; 10] = [
    "WHITE",
    "RED SPOTTY",
    "BLUE POLKADOT",
    "GREEN GINGHAM",
    "PINK ROSE",
    "IVORY LACE",
    "BLACK SILHOUETTE",
    "VINTAGE PAISLEY",
    "RETRO STRIPE",
    "RUSTIC OAK",
];

/// The things: the number of the stock code, the name, the price in 1/1000 pound. The last three
/// are for Christmas.
const THINGS: [(u32, &str, u32); 21] = [
    (20_712, "SHOPPING BAG", 1_950),
    (20_725, "LUNCH BOX", 1_650),
    (21_034, "TEA TOWEL", 2_950),
    (21_080, "PAPER NAPKINS SET OF 20", 850),
    (21_212, "CAKE CASES PACK OF 72", 550),
    (21_484, "HOT WATER BOTTLE", 4_250),
    (21_733, "CANDLE HOLDER", 2_550),
    (21_931, "STORAGE TIN", 3_390),
    (22_111, "TEAPOT", 7_950),
    (22_197, "POPCORN HOLDER", 850),
    (22_382, "LUNCH BAG ", 1_650),
    (22_423, "CAKESTAND 3 TIER", 12_750),
    (22_457, "SLATE CHALKBOARD ", 2_950),
    (22_630, "DOORMAT", 7_950),
    (22_720, "CAKE TINS SET OF 3", 4_950),
    (22_961, "JAM MAKING SET", 1_450),
    (23_203, "JUMBO BAG", 2_080),
    (47_566, "PARTY BUNTING", 4_950),
    (22_086, "CHRISTMAS PAPER CHAIN KIT ", 2_950),
    (22_910, "CHRISTMAS TREE STAR", 2_100),
    (23_084, "CHRISTMAS NIGHT LIGHT", 2_080),
];

/// How many of [`THINGS`] sell in the weeks before Christmas only.
const CHRISTMAS_THINGS: usize = 3;

/// Products with a code and a name of their own: commas and quotes, letters beyond ASCII, and the
/// smallest price that there is.
const SPECIALS: [Special; 12] = [
    special("22041", "RECORD FRAME 7\" SINGLE SIZE ", 2_550),
    special("90214D", "LETTER \"D\" BLING KEY RING", 850),
    special("90214M", "LETTER \"M\" BLING KEY RING", 850),
    special("21790", "SNAP CARDS, 52 IN A BOX", 850),
    special("22988", "SOLDIERS EGG CUP, SPOON AND SALT", 1_250),
    special("84879", "ORNAMENT \"LOVE, HOPE, JOY\"", 1_690),
    special("23245", "CAFÉ AU LAIT BOWL", 3_750),
    special("23246", "CRÈME BRÛLÉE DISHES SET OF 4", 8_250),
    special("23247", "JALAPEÑO WINDOW BOX", 5_450),
    special("gift_0001_20", "Gift Voucher £20.00", 16_670),
    special("gift_0001_50", "Gift Voucher £50.00", 41_670),
    special("PADS", "PADS TO MATCH ALL CUSHIONS", 1),
];

const fn special(code: &'static str, name: &'static str, price: u32) -> Special {
    Special { code, name, price }
}

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// A pattern on a thing.
    Patterned {
        /// Its place in [`PATTERNS`].
        pattern: usize,
        /// Its place in [`THINGS`].
        thing: usize,
    },
    /// One with a name of its own, or a posting that is no product.
    Special(Special),
}

impl Product {
    /// How many there are to choose from; a few more before Christmas.
    pub(super) fn count(before_christmas: bool) -> u64 {
        let things = if before_christmas { THINGS.len() } else { THINGS.len() - CHRISTMAS_THINGS };
        (SPECIALS.len() + things * PATTERNS.len()) as u64
    }

    /// The product of that number, from 0.
    pub(super) fn numbered(number: u64) -> Self {
        let number = number as usize;
        match number.checked_sub(SPECIALS.len()) {
            None => Product::Special(SPECIALS[number]),
            Some(number) => Product::Patterned {
                pattern: number % PATTERNS.len(),
                thing: number / PATTERNS.len() % THINGS.len(),
            },
        }
    }

    /// Its price, 1/1000 pound.
    pub(super) fn price(self) -> u32 {
        match self {
            Product::Patterned { thing, .. } => THINGS[thing].2,
            Product::Special(special) => special.price,
        }
    }

    /// Appends its stock code.
    pub(super) fn write_code(self, out: &mut Vec<u8>) {
        match self {
            Product::Patterned { pattern, thing } => {
                out.extend_from_slice(THINGS[thing].0.to_string().as_bytes());
                out.push(b'A' + pattern as u8);
            }
            Product::Special(special) => out.extend_from_slice(special.code.as_bytes()),
        }
    }

    /// Appends its description, quoted if it must be.
    pub(super) fn write_name(self, out: &mut Vec<u8>) {
        match self {
            Product::Patterned { pattern, thing } => {
                out.extend_from_slice(PATTERNS[pattern].as_bytes());
                out.push(b' ');
                out.extend_from_slice(THINGS[thing].1.as_bytes());
            }
            Product::Special(special) => write_text(special.name, out),
        }
    }
}

/// Appends a text, quoted if it must be.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    if !text.contains([',', '"', '\n']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
