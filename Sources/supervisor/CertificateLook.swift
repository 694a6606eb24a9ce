internal import Glibc
internal import Messages
internal import Sys

/// One look at the files of all certificates, by a thread of its own.
///
/// A file system that is gone (a network's, or one of a program) does not answer for as long as it
/// likes. The supervisor's loop must not wait for it. While one look goes on there is no other.
final class CertificateLook {
    /// What is known of a certificate's files before the look.
    struct Question {
        let paths: CertificatePaths
        let group: String
        /// The stamps at the last look: files that have changed since are still being written.
        let seen: [FileStamp?]
        /// The stamps when they were copied last.
        let copied: [FileStamp?]
        /// Whether they are to be copied in any case.
        let isDue: Bool
    }

    /// What was found.
    struct Finding {
        let stamps: [FileStamp?]
        /// The files, if they have changed and are at rest, or were due.
        let copy: CertificateCopy?
    }

    /// What the thread and the loop share: the thread writes it before it closes the pipe, the loop reads it
    /// after the pipe's end.
    private final class Job: @unchecked Sendable {
        let questions: [Question]
        let done: Descriptor
        var findings: [Finding] = []

        init(_ questions: [Question], done: Descriptor) {
            self.questions = questions
            self.done = done
        }

        func run() {
            findings = questions.map { question in
                let stamps = CertificateCopy.stamps(of: question.paths)
                let isChanged = stamps != question.copied && stamps == question.seen
                guard isChanged || question.isDue else { return Finding(stamps: stamps, copy: nil) }
                return Finding(
                    stamps: stamps, copy: CertificateCopy(question.paths, question.group))
            }
            done.close()
        }
    }

    /// Which settings it belongs to.
    let generation: UInt32
    /// When it began.
    let began: Milliseconds
    private let job: Job
    private let reading: Descriptor

    /// The descriptor that becomes readable when it is done.
    var raw: Int32 { reading.raw }

    /// Begins to look; throws when there is no thread or descriptor for it.
    init(
        _ questions: [Question], generation: UInt32, at now: Milliseconds
    ) throws(SystemError) {
        let pipe = try Stream.pipe()
        reading = pipe.reading
        job = Job(questions, done: pipe.writing)
        self.generation = generation
        began = now
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        // The thread owns the reference that it is given.
        let given = unsafe Unmanaged.passRetained(job)
        let code = unsafe pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, given.toOpaque())
        guard code == 0 else {
            unsafe given.release()
            throw SystemError("start a thread", code: code)
        }
    }

    /// What was found; nil while it goes on.
    func findings() -> [Finding]? {
        var byte: [UInt8] = [0]
        if case .wouldBlock = Stream.read(reading.raw, into: &byte, at: 0) { return nil }
        return job.findings
    }
}
