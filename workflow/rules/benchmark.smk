# Benchmarks: raw files -> images and elements -> verified negatives -> paired questions -> items.
B = f"{OUT}/benchmark/{{benchmark}}"
ROUNDS = (
    range(CFG.negatives.rounds + 1)
    if CFG.negatives.verification == "mllm"
    else range(1)
)
DROPS = [
    f"drops/{stage}"
    for stage in (
        "read",
        "scene_graphs",
        *(f"negatives.{k}" for k in ROUNDS),
        "settle",
        "pairs",
        "granularity",
    )
]
VERIFIED = ROUNDS if CFG.negatives.verification == "mllm" else range(0)


rule read_comprecap:
    input:
        annotations=lookup("benchmarks/{benchmark}/raw", within=PLAN),
        images=lookup("benchmarks/{benchmark}/images", within=PLAN),
    output:
        images=f"{B}/images.parquet",
        drops=f"{B}/drops/read.parquet",
    log:
        f"{OUT}/logs/read_comprecap.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/read_comprecap.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("comprecap"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("read_comprecap"),
    params:
        code=code("read-comprecap"),
        config=lookup("benchmarks/{benchmark}/read", within=PLAN),
    shell:
        "python -m finer read-comprecap --config {params.config:q} --benchmark {wildcards.benchmark}"
        " --annotations {input.annotations} --images {input.images}"
        " --out {output.images} --drops {output.drops} 2> >(tee {log} >&2)"


rule read_docci:
    input:
        descriptions=lookup("benchmarks/{benchmark}/raw", within=PLAN),
        images=lookup("benchmarks/{benchmark}/images", within=PLAN),
    output:
        images=f"{B}/images.parquet",
        captions=f"{B}/captions.parquet",
        drops=f"{B}/drops/read.parquet",
    log:
        f"{OUT}/logs/read_docci.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/read_docci.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("docci"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("read_docci"),
    params:
        code=code("read-docci"),
        config=lookup("benchmarks/{benchmark}/read", within=PLAN),
    shell:
        "python -m finer read-docci --config {params.config:q} --benchmark {wildcards.benchmark}"
        " --descriptions {input.descriptions} --images {input.images}"
        " --out {output.images} --captions {output.captions} --drops {output.drops} 2> >(tee {log} >&2)"


rule read_csv:
    input:
        table=lookup("benchmarks/{benchmark}/raw", within=PLAN),
        images=lookup("benchmarks/{benchmark}/images", within=PLAN),
    output:
        images=f"{B}/images.parquet",
        captions=f"{B}/captions.parquet",
        drops=f"{B}/drops/read.parquet",
    log:
        f"{OUT}/logs/read_csv.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/read_csv.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("csv"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("read_csv"),
    params:
        code=code("read-csv"),
        config=lookup("benchmarks/{benchmark}/read", within=PLAN),
    shell:
        "python -m finer read-csv --config {params.config:q} --benchmark {wildcards.benchmark}"
        " --table {input.table} --images {input.images}"
        " --out {output.images} --captions {output.captions} --drops {output.drops} 2> >(tee {log} >&2)"


rule import_interchange:
    # A released benchmark in the interchange form replaces every stage before the items.
    input:
        folder=lookup("benchmarks/{benchmark}/raw", within=PLAN),
        images=lookup("benchmarks/{benchmark}/images", within=PLAN),
    output:
        images=f"{B}/images.parquet",
        pairs=f"{B}/pairs.parquet",
        drops=f"{B}/drops/read.parquet",
    log:
        f"{OUT}/logs/import_interchange.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/import_interchange.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("interchange"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("import_interchange"),
    params:
        code=code("import-interchange"),
        config=lookup("benchmarks/{benchmark}/read", within=PLAN),
    shell:
        "python -m finer import-interchange --config {params.config:q} --benchmark {wildcards.benchmark}"
        " --folder {input.folder} --images {input.images}"
        " --out {output.images} --pairs {output.pairs} --drops {output.drops} 2> >(tee {log} >&2)"


rule scene_graphs_from_annotations:
    input:
        annotations=lookup("benchmarks/{benchmark}/raw", within=PLAN),
        images=f"{B}/images.parquet",
    output:
        elements=f"{B}/elements.parquet",
        drops=f"{B}/drops/scene_graphs.parquet",
    log:
        f"{OUT}/logs/scene_graphs.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/scene_graphs_from_annotations.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("comprecap"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("scene_graphs_from_annotations"),
    params:
        code=code("scene-graphs-from-annotations"),
        config=CFG.part("scene_graphs", "on_bad_item"),
    shell:
        "python -m finer scene-graphs-from-annotations --config {params.config:q}"
        " --annotations {input.annotations} --images {input.images}"
        " --out {output.elements} --drops {output.drops} 2> >(tee {log} >&2)"


rule scene_graphs_from_captions:
    input:
        captions=f"{B}/captions.parquet",
    output:
        elements=f"{B}/elements.parquet",
        drops=f"{B}/drops/scene_graphs.parquet",
    log:
        f"{OUT}/logs/scene_graphs.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/scene_graphs_from_captions.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.extracted("rules"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("scene_graphs_from_captions"),
    params:
        code=code("scene-graphs-from-captions"),
        config=CFG.part("scene_graphs"),
    shell:
        "python -m finer scene-graphs-from-captions --config {params.config:q}"
        " --captions {input.captions} --out {output.elements} --drops {output.drops} 2> >(tee {log} >&2)"


for k in ROUNDS:

    rule:
        # Round 0 proposes for every element, round k anew for those that failed for sure in round k - 1.
        name:
            f"propose_{k}"
        input:
            elements=f"{B}/elements.parquet",
            captions=lookup("benchmarks/{benchmark}/captions", within=PLAN),
            negatives=[f"{B}/rounds/negatives.{i}.parquet" for i in range(k)],
            checks=[f"{B}/rounds/checks.{k - 1}.parquet"] if k else [],
        output:
            negatives=f"{B}/rounds/negatives.{k}.parquet",
            drops=f"{B}/drops/negatives.{k}.parquet",
        log:
            f"{OUT}/logs/propose_{k}.{{benchmark}}.log",
        benchmark:
            f"{OUT}/benchmarks/propose_{k}.{{benchmark}}.tsv"
        wildcard_constraints:
            benchmark=CFG.proposed("lexicon"),
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"propose_{k}"),
        params:
            code=code("propose"),
            config=CFG.proposing(),
            round=k,
        shell:
            "python -m finer propose --config {params.config:q} --round {params.round}"
            " --elements {input.elements} --captions {input.captions}"
            " --earlier {input.negatives} --checks {input.checks}"
            " --out {output.negatives} --drops {output.drops} 2> >(tee {log} >&2)"


for k in VERIFIED:

    rule:
        name:
            f"verify_{k}"
        input:
            elements=f"{B}/elements.parquet",
            negatives=f"{B}/rounds/negatives.{k}.parquet",
            images=f"{B}/images.parquet",
            model=PLAN["models"][CFG.negatives.verifier]["path"],
        output:
            checks=f"{B}/rounds/checks.{k}.parquet",
            run=f"{B}/rounds/checks.{k}.run.parquet",
        log:
            f"{OUT}/logs/verify_{k}.{{benchmark}}.log",
        benchmark:
            f"{OUT}/benchmarks/verify_{k}.{{benchmark}}.tsv"
        conda:
            software.conda(f"verify_{k}")
        container:
            software.image(f"verify_{k}")
        threads: need.threads(f"verify_{k}")
        resources:
            **need(f"verify_{k}"),
        params:
            code=PLAN["models"][CFG.negatives.verifier]["verify_code"],
            config=CFG.verifying(),
            model=PLAN["models"][CFG.negatives.verifier]["load"],
            name=CFG.negatives.verifier,
        shell:
            "python -m finer verify --config {params.config:q} --load {params.model:q} --code {params.code} --model {params.name}"
            " --elements {input.elements} --negatives {input.negatives} --images {input.images}"
            " --out {output.checks} --run {output.run} 2> >(tee {log} >&2)"


DEV = CFG.calibrated_on()


rule calibrate:
    # The threshold of `negatives.entropy_threshold`: chosen by hand from this curve, on development scenes.
    input:
        elements=[f"{OUT}/benchmark/{name}/elements.parquet" for name in DEV],
        negatives=[f"{OUT}/benchmark/{name}/rounds/negatives.0.parquet" for name in DEV],
        checks=[f"{OUT}/benchmark/{name}/rounds/checks.0.parquet" for name in DEV],
        images=[f"{OUT}/benchmark/{name}/images.parquet" for name in DEV],
        truth=[f"{OUT}/raw/truth/{pool}.parquet" for pool in DEV.values()],
    output:
        f"{OUT}/calibration/entropy_threshold.csv",
    log:
        f"{OUT}/logs/calibrate.log",
    benchmark:
        f"{OUT}/benchmarks/calibrate.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("calibrate"),
    shell:
        "python -m finer calibrate --elements {input.elements} --negatives {input.negatives}"
        " --checks {input.checks} --images {input.images} --truth {input.truth} --out {output}"
        " 2> >(tee {log} >&2)"


rule settle_negatives:
    # The last round of each element stands, with its check.
    input:
        negatives=[f"{B}/rounds/negatives.{k}.parquet" for k in ROUNDS],
        checks=[f"{B}/rounds/checks.{k}.parquet" for k in VERIFIED],
    output:
        negatives=f"{B}/negatives.parquet",
        checks=f"{B}/negative_checks.parquet",
        drops=f"{B}/drops/settle.parquet",
    log:
        f"{OUT}/logs/settle.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/settle_negatives.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("settle_negatives"),
    params:
        code=code("settle"),
        config=CFG.part("negatives"),
    shell:
        "python -m finer settle --config {params.config:q} --benchmark {wildcards.benchmark}"
        " --negatives {input.negatives} --checks {input.checks}"
        " --out {output.negatives} --out-checks {output.checks} --drops {output.drops} 2> >(tee {log} >&2)"


rule compose:
    input:
        elements=f"{B}/elements.parquet",
        negatives=f"{B}/negatives.parquet",
        checks=f"{B}/negative_checks.parquet",
    output:
        pairs=f"{B}/pairs.parquet",
        drops=f"{B}/drops/pairs.parquet",
    log:
        f"{OUT}/logs/compose.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/compose.{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=CFG.readers("comprecap", "docci", "csv"),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("compose"),
    params:
        code=code("compose"),
        config=lookup("benchmarks/{benchmark}/compose", within=PLAN),
    shell:
        "python -m finer compose --config {params.config:q} --benchmark {wildcards.benchmark} --elements {input.elements}"
        " --negatives {input.negatives} --checks {input.checks}"
        " --out {output.pairs} --drops {output.drops} 2> >(tee {log} >&2)"


rule granularity:
    input:
        elements=f"{B}/elements.parquet",
        negatives=f"{B}/negatives.parquet",
        checks=f"{B}/negative_checks.parquet",
    output:
        queries=f"{B}/granularity.parquet",
        drops=f"{B}/drops/granularity.parquet",
    log:
        f"{OUT}/logs/granularity.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/granularity.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("granularity"),
    params:
        code=code("granularity"),
        config=lookup("benchmarks/{benchmark}/granularity", within=PLAN),
    shell:
        "python -m finer granularity --config {params.config:q} --benchmark {wildcards.benchmark} --elements {input.elements}"
        " --negatives {input.negatives} --checks {input.checks}"
        " --out {output.queries} --drops {output.drops} 2> >(tee {log} >&2)"


rule export_interchange:
    input:
        pairs=f"{B}/pairs.parquet",
        images=f"{B}/images.parquet",
    output:
        [f"{OUT}/interchange/{{benchmark}}/{setting}.csv" for setting in SETTINGS],
    log:
        f"{OUT}/logs/export_interchange.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/export_interchange.{{benchmark}}.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        folder=f"{OUT}/interchange/{{benchmark}}",
        code=code("export-interchange"),
    shell:
        "python -m finer export-interchange --pairs {input.pairs} --images {input.images}"
        " --out {params.folder} 2> >(tee {log} >&2)"


rule yields:
    # How much each stage made of its input, and what was dropped for which reason.
    input:
        elements=f"{B}/elements.parquet",
        negatives=f"{B}/negatives.parquet",
        checks=f"{B}/negative_checks.parquet",
        pairs=f"{B}/pairs.parquet",
        images=f"{B}/images.parquet",
        drops=[f"{B}/{stage}.parquet" for stage in DROPS],
    output:
        markdown=f"{OUT}/tables/yields.{{benchmark}}.md",
        csv=f"{OUT}/tables/yields.{{benchmark}}.csv",
    log:
        f"{OUT}/logs/yields.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/yields.{{benchmark}}.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("yields"),
    shell:
        "python -m finer yields --benchmark {wildcards.benchmark} --elements {input.elements}"
        " --negatives {input.negatives} --checks {input.checks} --pairs {input.pairs} --images {input.images}"
        " --drops {input.drops} --markdown {output.markdown} --csv {output.csv} 2> >(tee {log} >&2)"


rule captions:
    # Questions from your own captions, without images: --configfile workflow/presets/captions.yaml --config captions=FILE
    input:
        expand(f"{OUT}/interchange/captions/{{setting}}.csv", setting=SETTINGS),
        f"{OUT}/tables/yields.captions.md",
    localrule: True
