/// Addresses of one family, from the first to the last, as the kernel's interval sets hold them.
package struct AddressRange: Hashable, Sendable {
    /// The first one.
    package let first: IPAddress
    /// The last one.
    package let last: IPAddress

    /// The addresses of a network.
    package init(_ network: Network) {
        let bits = network.address.isV4 ? network.prefix + 96 : network.prefix
        let high: UInt64 = bits >= 64 ? 0 : .max >> UInt64(bits)
        let low: UInt64 = bits <= 64 ? .max : bits >= 128 ? 0 : .max >> UInt64(bits - 64)
        first = network.address
        last = IPAddress(high: first.high | high, low: first.low | low)
    }

    private init(_ first: IPAddress, _ last: IPAddress) {
        self.first = first
        self.last = last
    }

    /// The address after the last one; nil when the family ends there.
    package var next: IPAddress? {
        let isEnd =
            first.isV4 ? last.low & 0xFFFF_FFFF == 0xFFFF_FFFF : last.high & last.low == .max
        return isEnd ? nil : last.successor
    }

    /// What must go from ranges, and what must come, for them to be others; both are sorted and do not
    /// touch, as `AddressRanges` has them.
    package static func difference(
        from old: [AddressRange], to new: [AddressRange]
    ) -> (gone: [AddressRange], come: [AddressRange]) {
        var (gone, come): ([AddressRange], [AddressRange]) = ([], [])
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, right < new.count, old[left] == new[right] {
                left += 1
                right += 1
            } else if right == new.count
                || left < old.count && !new[right].first.isBefore(old[left].first)
            {
                gone.append(old[left])
                left += 1
            } else {
                come.append(new[right])
                right += 1
            }
        }
        return (gone, come)
    }

    /// One number for the bounds of ranges, whatever their order, good for this process.
    package static func digest(_ ranges: [AddressRange]) -> Int {
        ranges.reduce(0) { sum, range in
            sum &+ digest(range.first, isEnd: false)
                &+ (range.next.map { digest($0, isEnd: true) } ?? 0)
        }
    }

    /// One bound's part of the number: a first address, or one after a last.
    package static func digest(_ bound: IPAddress, isEnd: Bool) -> Int {
        var hasher = Hasher()
        hasher.combine(bound)
        hasher.combine(isEnd)
        return hasher.finalize()
    }

    /// Ranges of one family sorted, those that touch or overlap made one.
    fileprivate static func merged(_ ranges: [AddressRange]) -> [AddressRange] {
        var result: [AddressRange] = []
        for range in ranges.sorted(by: { $0.first.isBefore($1.first) }) {
            guard let before = result.last,
                before.next.map({ !$0.isBefore(range.first) }) ?? true
            else {
                result.append(range)
                continue
            }
            if before.last.isBefore(range.last) {
                result[result.count - 1] = AddressRange(before.first, range.last)
            }
        }
        return result
    }
}

/// A set of addresses as ranges that are sorted and do not touch, each family by itself.
package struct AddressRanges: Hashable, Sendable {
    /// Those of IPv4.
    package private(set) var v4: [AddressRange] = []
    /// Those of IPv6.
    package private(set) var v6: [AddressRange] = []

    /// No addresses.
    package init() {}

    /// The addresses of networks.
    package init(_ networks: some Sequence<Network>) {
        let ranges = networks.map(AddressRange.init)
        v4 = AddressRange.merged(ranges.filter(\.first.isV4))
        v6 = AddressRange.merged(ranges.filter { !$0.first.isV4 })
    }

    /// How many ranges there are.
    package var count: Int { v4.count + v6.count }

    /// Whether an address is in the set, by halves.
    package func contains(_ address: IPAddress) -> Bool {
        let ranges = address.isV4 ? v4 : v6
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if address.isBefore(ranges[middle].first) { high = middle } else { low = middle + 1 }
        }
        return low > 0 && !ranges[low - 1].last.isBefore(address)
    }
}

extension IPAddress {
    /// The order of numbers.
    package func isBefore(_ other: IPAddress) -> Bool {
        high != other.high ? high < other.high : low < other.low
    }

    /// The address after this one.
    fileprivate var successor: IPAddress {
        let (next, overflow) = low.addingReportingOverflow(1)
        return IPAddress(high: overflow ? high &+ 1 : high, low: next)
    }
}
