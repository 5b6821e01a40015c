extension FloatingPoint {
    /// The larger of two numbers, as IEEE 754-2019 defines `maximum`: NaN where either is NaN, and 0 is larger than −0.
    package static func largest(_ a: Self, _ b: Self) -> Self {
        if a.isNaN || b.isNaN { return .nan }
        return a > b || (a == b && a.sign == .plus) ? a : b
    }

    /// The smaller of two numbers, as IEEE 754-2019 defines `minimum`: NaN where either is NaN, and −0 is smaller than 0.
    package static func smallest(_ a: Self, _ b: Self) -> Self {
        if a.isNaN || b.isNaN { return .nan }
        return a < b || (a == b && a.sign == .minus) ? a : b
    }
}

extension Int {
    /// The number without its fraction; the nearest `Int` where it is none, and 0 for NaN.
    package init(nearest number: Double) {
        if number.isNaN { self = 0 } else if number >= 0x1p63 { self = .max } else if number <= -0x1p63 { self = .min } else {
            self.init(number)
        }
    }
}
