/// What waits for its turn, in order.
///
/// What was removed from the front is freed once it is the greater part. So a removal costs what is
/// removed, however much waits behind it.
package struct Queue<Element> {
    @usableFromInline
    var elements: [Element] = []
    /// How many at the front of `elements` were taken.
    @usableFromInline
    var taken = 0

    /// An empty queue.
    @inlinable
    package init() {}

    /// How many wait.
    @inlinable
    package var count: Int { elements.count - taken }

    /// Whether none waits.
    @inlinable
    package var isEmpty: Bool { taken == elements.count }

    /// The one whose turn it is, nil when none waits.
    @inlinable
    package var first: Element? { isEmpty ? nil : elements[taken] }

    /// All that wait.
    @inlinable
    package var span: Span<Element> {
        @_lifetime(borrow self)
        get { elements.span.extracting(taken..<elements.count) }
    }

    /// Adds one behind all others.
    @inlinable
    package mutating func append(_ element: Element) { elements.append(element) }

    /// Adds several behind all others.
    @inlinable
    package mutating func append(_ new: Span<Element>) {
        for index in new.indices { elements.append(new[index]) }
    }

    /// Takes so many from the front, which must be there.
    @inlinable
    package mutating func removeFirst(_ count: Int = 1) {
        precondition(count <= self.count)
        taken += count
        if taken == elements.count {
            // A queue that was long once does not keep its room.
            elements = []
            taken = 0
        } else if taken * 2 >= elements.count {
            elements.removeFirst(taken)
            taken = 0
        }
    }
}

extension Queue: Sendable where Element: Sendable {}
