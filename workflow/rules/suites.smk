# Evaluation suites: official files -> items -> responses -> verdicts -> numbers -> tables.
# A table's suites are asked by one job a model: loading the model costs more than many questions.
OF_TABLE = {
    table: CFG.suites_of(table)
    for table in ("hallucination", "general")
    if CFG.suites_of(table)
}
WORLD_SUITES = [name for name in CFG.suites if CFG.world is not None]
SUITE_TABLES = {
    name: names
    for name, names in (
        ("hallucination_suites", OF_TABLE.get("hallucination", [])),
        ("hallucination_splits", OF_TABLE.get("hallucination", [])),
        ("general_suites", OF_TABLE.get("general", [])),
    )
    if names
}


rule world_suite:
    output:
        directory(f"{OUT}/raw/suites/{{evaluated}}"),
    log:
        f"{OUT}/logs/world_suite.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/world_suite.{{evaluated}}.tsv"
    wildcard_constraints:
        evaluated="|".join(WORLD_SUITES) or "(?!)",
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lookup("suites/{evaluated}/world_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
        number=lookup("suites/{evaluated}/items", within=PLAN),
        seed=CFG.seed,
    shell:
        "python -m finer world-suite --suite {params.suite} --seed {params.seed} --count {params.number} --out {output}"
        " 2> >(tee {log} >&2)"


rule items_suite:
    input:
        lookup("suites/{evaluated}/raw", within=PLAN),
    output:
        asked=f"{OUT}/items/suites/{{evaluated}}.{{wording}}.parquet",
        drops=f"{OUT}/items/suites/{{evaluated}}.{{wording}}.drops.parquet",
    log:
        f"{OUT}/logs/items_suite.{{evaluated}}.{{wording}}.log",
    benchmark:
        f"{OUT}/benchmarks/items_suite.{{evaluated}}.{{wording}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        code=lookup("suites/{evaluated}/items_code", within=PLAN),
        config=lookup("suites/{evaluated}/read", within=PLAN),
    shell:
        "python -m finer items-suite --config {params.config:q} --wording {wildcards.wording} --out {output.asked}"
        " --drops {output.drops} 2> >(tee {log} >&2)"


for table, names in OF_TABLE.items():

    rule:
        name:
            f"answer_{table}_suites"
        input:
            asked=lookup(f"models/{{model}}/asked/{table}", within=PLAN),
            model=lookup("models/{model}/path", within=PLAN),
            adapter=lookup("models/{model}/adapter", within=PLAN),
        output:
            responses=[
                f"{OUT}/responses/{{model}}/suites.{name}.parquet" for name in names
            ],
            run=f"{OUT}/responses/{{model}}/{table}_suites.run.parquet",
        log:
            f"{OUT}/logs/answer_{table}_suites.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/answer_{table}_suites.{{model}}.tsv"
        wildcard_constraints:
            model=CFG.asked(),
        conda:
            "../../envs/finer.yaml"
        container:
            GPU_IMAGE
        resources:
            mem_mb=6000,
            runtime=240,
        params:
            code=code("answer"),
            model=lookup("models/{model}/load", within=PLAN),
            config=CFG.asking(),
        shell:
            "python -m finer answer --config {params.config:q} --load {params.model:q} --code {params.code} --model {wildcards.model}"
            " --items {input.asked} --out {output.responses} --run {output.run} 2> >(tee {log} >&2)"


rule judge_suite:
    # Every request and reply is kept; what is on file is not asked again.
    input:
        asked=lookup("models/{model}/suites/{evaluated}", within=PLAN),
        responses=f"{OUT}/responses/{{model}}/suites.{{evaluated}}.parquet",
    output:
        f"{OUT}/judgements/{{model}}/{{evaluated}}.parquet",
    log:
        f"{OUT}/logs/judge_suite.{{model}}.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/judge_suite.{{model}}.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lookup("suites/{evaluated}/judge_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
        judge=CFG.evaluation.judge,
    shell:
        "python -m finer judge-suite --suite {params.suite} --items {input.asked} --responses {input.responses}"
        " --judge {params.judge} --out {output} 2> >(tee {log} >&2)"


rule verdicts_suite:
    input:
        asked=lookup("models/{model}/suites/{evaluated}", within=PLAN),
        responses=f"{OUT}/responses/{{model}}/suites.{{evaluated}}.parquet",
        judgements=lambda wildcards: (
            f"{OUT}/judgements/{wildcards.model}/{wildcards.evaluated}.parquet"
            if PLAN["suites"][wildcards.evaluated]["judged"]
            else []
        ),
    output:
        f"{OUT}/verdicts/{{model}}/suites.{{evaluated}}.parquet",
    log:
        f"{OUT}/logs/verdicts_suite.{{model}}.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/verdicts_suite.{{model}}.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=lookup("suites/{evaluated}/verdicts_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
    shell:
        "python -m finer verdicts-suite --suite {params.suite} --items {input.asked} --responses {input.responses}"
        " --judgements {input.judgements} --out {output} 2> >(tee {log} >&2)"


rule estimates_suite:
    input:
        asked=lambda wildcards: [
            f"{OUT}/items/suites/{wildcards.evaluated}.{wording}.parquet"
            for wording in CFG.wordings(wildcards.evaluated)
        ],
        verdicts=lambda wildcards: [
            f"{OUT}/verdicts/{row}/suites.{wildcards.evaluated}.parquet"
            for row in CFG.suite_rows(wildcards.evaluated)
        ],
    output:
        estimates=f"{OUT}/estimates/suites/{{evaluated}}.parquet",
        comparisons=f"{OUT}/estimates/suites/{{evaluated}}.comparisons.parquet",
    log:
        f"{OUT}/logs/estimates_suite.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/estimates_suite.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        code=lookup("suites/{evaluated}/estimates_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
        config=CFG.part("seed", "statistics"),
    shell:
        "python -m finer estimates-suite --config {params.config:q} --suite {params.suite} --name {wildcards.evaluated}"
        " --items {input.asked} --verdicts {input.verdicts} --out {output.estimates} --comparisons {output.comparisons}"
        " 2> >(tee {log} >&2)"


# The ablations' variants are asked two of the suites; those of them that are rows of the tables were asked already.
ABLATION_ROWS = list(
    dict.fromkeys(
        row
        for ablation in CFG.ablations.values()
        for row in (
            ablation.model,
            *(f"{ablation.model}@{adapter}" for adapter in ablation.rows),
        )
    )
)


rule answer_ablation_suites:
    input:
        asked=lambda wildcards: [
            PLAN["models"][wildcards.model]["suites"][name] for name in ABLATION_SUITES
        ],
        model=lookup("models/{model}/path", within=PLAN),
        adapter=lookup("models/{model}/adapter", within=PLAN),
    output:
        responses=[
            f"{OUT}/responses/{{model}}/ablation_suites.{name}.parquet"
            for name in ABLATION_SUITES
        ],
        run=f"{OUT}/responses/{{model}}/ablation_suites.run.parquet",
    log:
        f"{OUT}/logs/answer_ablation_suites.{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/answer_ablation_suites.{{model}}.tsv"
    conda:
        "../../envs/finer.yaml"
    container:
        GPU_IMAGE
    resources:
        mem_mb=6000,
        runtime=120,
    params:
        code=code("answer"),
        model=lookup("models/{model}/load", within=PLAN),
        config=CFG.asking(),
    shell:
        "python -m finer answer --config {params.config:q} --load {params.model:q} --code {params.code} --model {wildcards.model}"
        " --items {input.asked} --out {output.responses} --run {output.run} 2> >(tee {log} >&2)"


rule verdicts_ablation_suite:
    input:
        asked=lookup("models/{model}/suites/{evaluated}", within=PLAN),
        responses=f"{OUT}/responses/{{model}}/ablation_suites.{{evaluated}}.parquet",
    output:
        f"{OUT}/verdicts/{{model}}/ablation_suites.{{evaluated}}.parquet",
    log:
        f"{OUT}/logs/verdicts_ablation_suite.{{model}}.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/verdicts_ablation_suite.{{model}}.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=lookup("suites/{evaluated}/verdicts_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
    shell:
        "python -m finer verdicts-suite --suite {params.suite} --items {input.asked} --responses {input.responses}"
        " --out {output} 2> >(tee {log} >&2)"


rule estimates_ablation_suite:
    input:
        asked=lambda wildcards: sorted(
            {
                PLAN["models"][row]["suites"][wildcards.evaluated]
                for row in ABLATION_ROWS
            }
        ),
        verdicts=[
            f"{OUT}/verdicts/{row}/{'suites' if row in CFG.rows else 'ablation_suites'}.{{evaluated}}.parquet"
            for row in ABLATION_ROWS
        ],
    output:
        estimates=f"{OUT}/estimates/suites/ablation.{{evaluated}}.parquet",
        comparisons=f"{OUT}/estimates/suites/ablation.{{evaluated}}.comparisons.parquet",
    log:
        f"{OUT}/logs/estimates_ablation_suite.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/estimates_ablation_suite.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        code=lookup("suites/{evaluated}/estimates_code", within=PLAN),
        suite=lookup("suites/{evaluated}/module", within=PLAN),
        config=CFG.part("seed", "statistics"),
    shell:
        "python -m finer estimates-suite --config {params.config:q} --suite {params.suite} --name {wildcards.evaluated}"
        " --items {input.asked} --verdicts {input.verdicts} --out {output.estimates} --comparisons {output.comparisons}"
        " 2> >(tee {log} >&2)"


for table, names in SUITE_TABLES.items():

    rule:
        name:
            table
        input:
            estimates=[f"{OUT}/estimates/suites/{name}.parquet" for name in names],
            comparisons=[
                f"{OUT}/estimates/suites/{name}.comparisons.parquet" for name in names
            ],
        output:
            [f"{OUT}/tables/{table}.{kind}" for kind in FORMATS],
        log:
            f"{OUT}/logs/{table}.log",
        benchmark:
            f"{OUT}/benchmarks/{table}.tsv"
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            code=code("table-suites", *CFG.suite_modules()),
            config=CFG.suite_layout(table.split("_")[0]),
            table=table,
        shell:
            "python -m finer table-suites --config {params.config:q} --table {params.table} --estimates {input.estimates}"
            " --comparisons {input.comparisons} --out {output} 2> >(tee {log} >&2)"


rule suites:
    # All tables of evaluation suites.
    input:
        [f"{OUT}/tables/{name}.{kind}" for name in SUITE_TABLES for kind in FORMATS],
    localrule: True
