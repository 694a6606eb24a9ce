extension Int {
    /// So many of a noun, whose plural has an s: "1 phone", "2 phones".
    package func counted(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}
