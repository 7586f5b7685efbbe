//! Draws of links, as in Zipf traffic: the link of rank k is asked for with a weight of 1/k, as popularity on the web is distributed.

/// `length` ranks below `items`, from a fixed seed so that runs compare.
pub(crate) fn ranks(items: usize, length: usize) -> Vec<usize> {
    let mut cumulative = Vec::with_capacity(items);
    let mut sum = 0.0;
    for rank in 1..=items {
        sum += 1.0 / rank as f64;
        cumulative.push(sum);
    }
    let mut random = SplitMix(0x5eed);
    let pick = |random: &mut SplitMix| {
        let point = random.unit() * sum;
        cumulative.partition_point(|&edge| edge < point).min(items - 1)
    };
    (0..length).map(|_| pick(&mut random)).collect()
}

/// `length` ranks below `items`, all as likely, from a fixed seed.
pub(crate) fn uniform(items: usize, length: usize) -> Vec<usize> {
    let mut random = SplitMix(0x5eed);
    (0..length).map(|_| ((random.unit() * items as f64) as usize).min(items - 1)).collect()
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct SplitMix(u64);

impl SplitMix {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
