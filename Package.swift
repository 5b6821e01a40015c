// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// A library target of the pipeline: folder `Sources/<folder>`, module `Rec<folder>`.
func stage(_ folder: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: "Rec\(folder)", dependencies: dependencies, path: "Sources/\(folder)", swiftSettings: settings)
}

func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(module)Tests", dependencies: [.byName(name: module)] + dependencies,
        path: "Tests/\(module)Tests", swiftSettings: settings)
}

let package = Package(
    name: "recc",
    products: [
        .library(name: "Rec", targets: ["Rec", "RecTraining"]),
        .executable(name: "recc", targets: ["recc"]),
        // librecc-c.so: the library for C, Python and other languages.
        .library(name: "recc-c", type: .dynamic, targets: ["RecCInterface"]),
        // Its objects: SwiftPM links no shared library with Swift's libraries within it, `make library` does.
        .library(name: "recc-objects", type: .static, targets: ["RecCInterface"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    ],
    // In the order of the pipeline: a target depends only on targets above it.
    targets: [
        stage("Source", []),
        stage("Syntax", ["RecSource"]),
        // The programs of the standard library are part of the code: nothing is looked for on disk.
        .target(
            name: "RecLibrary", dependencies: ["RecSyntax"], path: "Sources/Library", resources: [.embedInCode("std")], swiftSettings: settings),
        stage("Stream", ["RecSource"]),
        stage("Typing", ["RecSyntax", "RecStream", "RecLibrary"]),
        stage("Differentiation", ["RecStream"]),
        stage("Lowering", ["RecTyping", "RecDifferentiation"]),
        stage("Analysis", ["RecStream"]),
        stage("Forms", ["RecDifferentiation"]),
        stage("Schedule", ["RecStream"]),
        stage("Tensors", ["RecStream"]),
        stage("Interpreter", ["RecStream", "RecTensors", "RecSchedule"]),
        stage("Scheduling", ["RecAnalysis"]),
        .target(name: "CHost", path: "Sources/CHost"),
        .target(name: "CLLVM", path: "Sources/CLLVM"),
        stage("CodeGen", ["RecScheduling", "RecSchedule", "CHost", "CLLVM"]),
        stage("Runtime", ["RecCodeGen", "RecTensors"]),
        .target(
            name: "Rec", dependencies: ["RecLowering", "RecForms", "RecDifferentiation", "RecInterpreter", "RecRuntime"],
            path: "Sources/Rec", swiftSettings: settings),
        stage("Export", ["Rec"]),
        stage("Training", ["Rec"]),
        .target(name: "CRecc", path: "Sources/CRecc"),
        stage("CInterface", ["Rec", "CRecc"]),
        .systemLibrary(name: "CMalloc", path: "Sources/CMalloc"),
        .executableTarget(
            name: "recc",
            dependencies: ["Rec", "RecExport", "RecTraining", "CMalloc", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/recc", swiftSettings: settings),
        // The example app, which is a package of its own as well; built here for the tests.
        .executableTarget(
            name: "recc-embed", dependencies: ["Rec"], path: "examples/embed/Sources/embed", packageAccess: false, swiftSettings: settings),
        .target(name: "MathAccuracy", dependencies: ["RecCodeGen"], path: "Sources/MathAccuracy", swiftSettings: settings),
        .executableTarget(name: "recc-math", dependencies: ["MathAccuracy"], path: "Sources/recc-math", swiftSettings: settings),
        .executableTarget(name: "recc-tiles", dependencies: ["RecCodeGen"], path: "Sources/recc-tiles", swiftSettings: settings),
        .executableTarget(name: "recc-calls", dependencies: ["Rec"], path: "Sources/recc-calls", packageAccess: false, swiftSettings: settings),
        .target(name: "Fuzzing", dependencies: ["Rec"], path: "Sources/Fuzzing", swiftSettings: settings),
        .executableTarget(
            name: "recc-fuzz", dependencies: ["Fuzzing", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/recc-fuzz", swiftSettings: settings),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        tests("RecSyntax"),
        tests("RecLowering", ["RecInterpreter"]),
        tests("RecStream"),
        tests("RecTensors", ["TestSupport"]),
        tests("RecDifferentiation", ["Rec"]),
        tests("RecForms", ["Rec"]),
        tests("RecInterpreter", ["RecLowering"]),
        tests("RecCodeGen", ["MathAccuracy", "TestSupport"]),
        tests("RecScheduling"),
        tests("RecTraining", ["TestSupport"]),
        tests("Fuzzing"),
        tests("RecCInterface", ["CRecc", "Rec", "TestSupport"]),
        // As a user of the library sees it: only what is public.
        .testTarget(
            name: "LibraryTests", dependencies: ["Rec", "RecTraining", "TestSupport"], path: "Tests/LibraryTests", packageAccess: false,
            swiftSettings: settings),
        .testTarget(
            name: "RecTests", dependencies: ["Rec", "RecExport", "TestSupport"], path: "Tests/RecTests", exclude: ["Checkpoints", "Golden", "Library", "Models"], swiftSettings: settings),
    ]
)
