# The audit: what the micro world's truth says of the benchmarks made of it, and what verification changes.
AUDITED = CFG.audited()


rule judge_negatives:
    input:
        negatives=[f"{B}/rounds/negatives.{k}.parquet" for k in ROUNDS],
        elements=f"{B}/elements.parquet",
        images=f"{B}/images.parquet",
        truth=lambda wildcards: f"{OUT}/raw/truth/{AUDITED[wildcards.benchmark]}.parquet",
    output:
        f"{B}/truths.parquet",
    log:
        f"{OUT}/logs/judge_negatives.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/judge_negatives.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("judge_negatives"),
    params:
        code=code("judge-negatives"),
    shell:
        "python -m finer judge-negatives --negatives {input.negatives} --elements {input.elements}"
        " --images {input.images} --truth {input.truth} --out {output} 2> >(tee {log} >&2)"


rule settle_unverified:
    # The first proposals as they are.
    input:
        f"{B}/rounds/negatives.0.parquet",
    output:
        negatives=f"{B}/unverified/negatives.parquet",
        checks=f"{B}/unverified/negative_checks.parquet",
        drops=f"{B}/unverified/drops.settle.parquet",
    log:
        f"{OUT}/logs/settle_unverified.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/settle_unverified.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("settle_unverified"),
    params:
        code=code("settle"),
        config=CFG.unverified(),
    shell:
        "python -m finer settle --config {params.config:q} --benchmark {wildcards.benchmark} --negatives {input}"
        " --out {output.negatives} --out-checks {output.checks} --drops {output.drops} 2> >(tee {log} >&2)"


rule compose_unverified:
    input:
        elements=f"{B}/elements.parquet",
        negatives=f"{B}/unverified/negatives.parquet",
        checks=f"{B}/unverified/negative_checks.parquet",
    output:
        pairs=f"{B}/unverified/pairs.parquet",
        drops=f"{B}/unverified/drops.pairs.parquet",
    log:
        f"{OUT}/logs/compose_unverified.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/compose_unverified.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("compose_unverified"),
    params:
        code=code("compose"),
        config=lookup("benchmarks/{benchmark}/compose", within=PLAN),
    shell:
        "python -m finer compose --config {params.config:q} --benchmark {wildcards.benchmark} --elements {input.elements}"
        " --negatives {input.negatives} --checks {input.checks}"
        " --out {output.pairs} --drops {output.drops} 2> >(tee {log} >&2)"


rule items_unverified:
    input:
        pairs=f"{B}/unverified/pairs.parquet",
        images=f"{B}/images.parquet",
    output:
        f"{OUT}/items/unverified/{{benchmark}}.parquet",
    log:
        f"{OUT}/logs/items.unverified.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/items_unverified.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("items_unverified"),
    params:
        code=code("items-unverified"),
        config=CFG.controls(),
    shell:
        "python -m finer items-unverified --config {params.config:q} --pairs {input.pairs} --images {input.images}"
        " --out {output} 2> >(tee {log} >&2)"


rule audit:
    input:
        elements=f"{B}/elements.parquet",
        first=f"{B}/rounds/negatives.0.parquet",
        first_checks=f"{B}/rounds/checks.0.parquet",
        settled=f"{B}/negatives.parquet",
        pairs=f"{B}/pairs.parquet",
        unverified=f"{B}/unverified/pairs.parquet",
        drops=[f"{B}/{stage}.parquet" for stage in DROPS],
        truth=f"{B}/truths.parquet",
    output:
        f"{B}/audit.parquet",
    log:
        f"{OUT}/logs/audit.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/audit.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("audit"),
    params:
        code=code("audit"),
        config=CFG.part("seed", "statistics"),
    shell:
        "python -m finer audit --config {params.config:q} --benchmark {wildcards.benchmark} --elements {input.elements}"
        " --first {input.first} --first-checks {input.first_checks} --settled {input.settled} --pairs {input.pairs}"
        " --unverified {input.unverified} --drops {input.drops} --truth {input.truth} --out {output}"
        " 2> >(tee {log} >&2)"
