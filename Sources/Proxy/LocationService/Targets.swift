/// The bindings that a call is forked to.
package struct Targets: BitwiseCopyable, Sendable {
    /// How many there are at most.
    package static let most = 12

    private var places = InlineArray<12, Int32>(repeating: -1)
    /// How many there are.
    package private(set) var count = 0

    /// None.
    package init() {}

    /// The place of a binding, by its number below `count`.
    package subscript(number: Int) -> Int32 { places[number] }

    /// Puts a binding in the place of another one, or behind all when `number` is `count`; nothing without room.
    mutating func put(_ place: Int32, at number: Int) {
        guard number < Self.most else { return }
        places[number] = place
        if number == count { count += 1 }
    }
}
