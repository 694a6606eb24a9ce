// What Rempart reads of Asterisk's files, for the tests that hold it against what an Asterisk reads.
//
//     asterisk-files-reader FOLDER <NAMES
//     asterisk-files-reader --accounts FOLDER
//
// Each line of the standard input names a file below the folder; each line of the output is its reading in JSON, bytes as
// the characters of Latin 1: a list of sections, null where there is no file, or a fault's text. With --accounts it is what
// the whole folder says about accounts.
internal import AsteriskFiles

let arguments = CommandLine.arguments.dropFirst()
if arguments.first == "--accounts", let folder = arguments.last {
    do {
        print(accounts(try AsteriskConfiguration(folder: folder)))
    } catch {
        print(quoted(error.description.utf8))
    }
} else {
    while let name = readLine() {
        var folder = AsteriskFolder(arguments.first ?? ".")
        do {
            print(try folder.configuration(name).map { list($0.sections.map(json)) } ?? "null")
        } catch {
            print(quoted(error.description.utf8))
        }
    }
}
