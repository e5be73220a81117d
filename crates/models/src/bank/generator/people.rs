//! Who the customers are and where they live: lists of our own.

use crate::random::Random;

/// First names, of women and men in turn.
pub(super) const GIVEN_NAMES: [&str; 80] = [
    "Siti", "Budi", "Dewi", "Agus", "Sri", "Eko", "Rina", "Andi", "Putri", "Joko", "Ayu", "Hendra",
    "Lestari", "Rudi", "Wulan", "Dedi", "Indah", "Bambang", "Fitri", "Yusuf", "Ratna", "Ahmad",
    "Maya", "Rizky", "Nurul", "Dimas", "Intan", "Fajar", "Kartika", "Bayu", "Yuni", "Arif", "Mega",
    "Iwan", "Anisa", "Hadi", "Citra", "Surya", "Diah", "Wahyu", "Nadia", "Teguh", "Rini", "Galih",
    "Tuti", "Imam", "Melati", "Adi", "Sari", "Gilang", "Novi", "Slamet", "Endang", "Ridwan",
    "Puspita", "Tono", "Yanti", "Irfan", "Laras", "Made", "Ketut", "Wayan", "Komang", "Nyoman",
    "Maria", "Yohanes", "Kristina", "Stefanus", "Ningsih", "Taufik", "Aisyah", "Hasan", "Khadijah",
    "Umar", "Tiara", "Reza", "Gita", "Doni", "Amelia", "Krisna",
];

/// Last names.
pub(super) const LAST_NAMES: [&str; 80] = [
    "Wijaya",
    "Santoso",
    "Hidayat",
    "Nugroho",
    "Saputra",
    "Wibowo",
    "Setiawan",
    "Kusuma",
    "Pratama",
    "Gunawan",
    "Susanto",
    "Kurniawan",
    "Hartono",
    "Rahman",
    "Suryadi",
    "Purnomo",
    "Halim",
    "Siregar",
    "Nasution",
    "Simanjuntak",
    "Situmorang",
    "Sitorus",
    "Hutapea",
    "Panjaitan",
    "Pangaribuan",
    "Lubis",
    "Harahap",
    "Ginting",
    "Tarigan",
    "Sembiring",
    "Sinaga",
    "Manurung",
    "Tampubolon",
    "Simatupang",
    "Rajagukguk",
    "Wahyudi",
    "Mulyono",
    "Sutrisno",
    "Handoko",
    "Widodo",
    "Prasetyo",
    "Permana",
    "Maulana",
    "Firmansyah",
    "Ramadhan",
    "Hakim",
    "Fauzi",
    "Anwar",
    "Basri",
    "Syahputra",
    "Utami",
    "Rahayu",
    "Handayani",
    "Wulandari",
    "Anggraini",
    "Puspitasari",
    "Safitri",
    "Oktaviani",
    "Maharani",
    "Kusumawati",
    "Suharto",
    "Sudirman",
    "Tanjung",
    "Chaniago",
    "Sikumbang",
    "Pane",
    "Batubara",
    "Daulay",
    "Rangkuti",
    "Matondang",
    "Wenas",
    "Kawilarang",
    "Lasut",
    "Pattimura",
    "Latuconsina",
    "Sahetapy",
    "Mandagi",
    "Rumbiak",
    "Wanggai",
    "Suwandi",
];

/// Cities, and how many thousands of people live there, about: the larger ones have more customers.
pub(super) const CITIES: [(&str, u64); 42] = [
    ("Jakarta", 10_670),
    ("Surabaya", 2_890),
    ("Bekasi", 2_590),
    ("Bandung", 2_510),
    ("Medan", 2_490),
    ("Depok", 2_120),
    ("Tangerang", 1_930),
    ("Palembang", 1_730),
    ("Semarang", 1_690),
    ("Makassar", 1_460),
    ("Tangerang Selatan", 1_390),
    ("Batam", 1_240),
    ("Bandar Lampung", 1_210),
    ("Bogor", 1_070),
    ("Pekanbaru", 1_010),
    ("Padang", 930),
    ("Malang", 850),
    ("Samarinda", 840),
    ("Denpasar", 740),
    ("Tasikmalaya", 730),
    ("Serang", 720),
    ("Balikpapan", 710),
    ("Banjarmasin", 670),
    ("Pontianak", 670),
    ("Jambi", 620),
    ("Cimahi", 570),
    ("Surakarta", 530),
    ("Kupang", 460),
    ("Manado", 450),
    ("Mataram", 440),
    ("Jayapura", 410),
    ("Yogyakarta", 380),
    ("Bengkulu", 380),
    ("Palu", 380),
    ("Sukabumi", 360),
    ("Kendari", 350),
    ("Ambon", 350),
    ("Cirebon", 340),
    ("Sorong", 290),
    ("Tegal", 280),
    ("Banda Aceh", 260),
    ("Ternate", 210),
];

/// All the people of the cities, thousands.
const PEOPLE: u64 = {
    let (mut sum, mut at) = (0, 0);
    while at < CITIES.len() {
        sum += CITIES[at].1;
        at += 1;
    }
    sum
};

/// Where somebody lives: the place of a city in [`CITIES`].
pub(super) fn city(random: &mut Random) -> u8 {
    let mut left = random.below(PEOPLE);
    let mut place = 0;
    while left >= CITIES[place].1 {
        left -= CITIES[place].1;
        place += 1;
    }
    place as u8
}

/// Another city than this one.
pub(super) fn other_city(random: &mut Random, city: u8) -> u8 {
    // Two draws may hit the same city; then it is the next one in the list, so that this ends.
    let drawn = self::city(random);
    if drawn == city { (city + 1) % CITIES.len() as u8 } else { drawn }
}
