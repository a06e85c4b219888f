# Items -> responses -> verdicts -> estimates. Answering is apart from scoring: scoring again costs seconds.
SUITES = {"finer": CFG.tests}
if (
    CFG.graphs()
):  # an imported benchmark has no scene graphs to make granularity queries from
    SUITES["granularity"] = CFG.graphs()
if CFG.audited():
    SUITES["unverified"] = list(CFG.audited())  # see audit.smk
# Tuned models are rows of every suite but the audit's, which is about the questions.
ROWS = {suite: CFG.subjects if suite == "unverified" else CFG.rows for suite in SUITES}
# Suites whose tuned models are compared with their bases.
COMPARED = [suite for suite in SUITES if ROWS[suite] != CFG.subjects]


rule items_finer:
    input:
        table=f"{B}/pairs.parquet",
        images=f"{B}/images.parquet",
    output:
        f"{OUT}/items/finer/{{benchmark}}.parquet",
    log:
        f"{OUT}/logs/items.finer.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/items_finer.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("items_finer"),
    params:
        code=code("items-finer"),
        config=CFG.controls(),
    shell:
        "python -m finer items-finer --config {params.config:q} --pairs {input.table} --images {input.images} --out {output}"
        " 2> >(tee {log} >&2)"


rule items_granularity:
    input:
        table=f"{B}/granularity.parquet",
        images=f"{B}/images.parquet",
    output:
        f"{OUT}/items/granularity/{{benchmark}}.parquet",
    log:
        f"{OUT}/logs/items.granularity.{{benchmark}}.log",
    benchmark:
        f"{OUT}/benchmarks/items_granularity.{{benchmark}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("items_granularity"),
    params:
        code=code("items-granularity"),
    shell:
        "python -m finer items-granularity --queries {input.table} --images {input.images} --out {output}"
        " 2> >(tee {log} >&2)"


# The ablations' models are asked one benchmark's questions of the finer suite; see tables.smk.
ABLATED = CFG.ablated()
ASKED = {suite: (suite, names) for suite, names in SUITES.items()}
if ABLATED:
    ASKED["ablation"] = ("finer", list(ABLATED))


for suite, (source, benchmarks) in ASKED.items():

    rule:
        # One job answers all item sets of a suite with one model: loading the model costs more than many questions.
        name:
            f"answer_{suite}"
        input:
            asked=[f"{OUT}/items/{source}/{name}.parquet" for name in benchmarks],
            images=[PLAN["benchmarks"][name]["images"] for name in benchmarks],
            model=lookup("models/{model}/path", within=PLAN),
            adapter=lookup("models/{model}/adapter", within=PLAN),
        output:
            responses=[
                f"{OUT}/responses/{{model}}/{suite}.{name}.parquet"
                for name in benchmarks
            ],
            run=f"{OUT}/responses/{{model}}/{suite}.run.parquet",
        log:
            f"{OUT}/logs/answer_{suite}.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/answer_{suite}.{{model}}.tsv"
        conda:
            software.conda(f"answer_{suite}")
        container:
            software.image(f"answer_{suite}")
        threads: need.threads(f"answer_{suite}")
        resources:
            **need(f"answer_{suite}"),
        params:
            code=lookup("models/{model}/answer_code", within=PLAN),
            model=lookup("models/{model}/load", within=PLAN),
            config=CFG.asking(),
        shell:
            "python -m finer answer --config {params.config:q} --load {params.model:q} --code {params.code} --model {wildcards.model}"
            " --items {input.asked} --out {output.responses} --run {output.run} 2> >(tee {log} >&2)"

    rule:
        name:
            f"verdicts_{suite}"
        input:
            asked=[f"{OUT}/items/{source}/{name}.parquet" for name in benchmarks],
            responses=[
                f"{OUT}/responses/{{model}}/{suite}.{name}.parquet"
                for name in benchmarks
            ],
        output:
            f"{OUT}/verdicts/{{model}}/{suite}.parquet",
        log:
            f"{OUT}/logs/verdicts_{suite}.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/verdicts_{suite}.{{model}}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"verdicts_{suite}"),
        params:
            code=code("verdicts"),
        shell:
            "python -m finer verdicts --items {input.asked} --responses {input.responses} --out {output}"
            " 2> >(tee {log} >&2)"


for suite, benchmarks in SUITES.items():

    rule:
        name:
            f"estimates_{suite}"
        input:
            asked=[f"{OUT}/items/{suite}/{name}.parquet" for name in benchmarks],
            verdicts=[f"{OUT}/verdicts/{name}/{suite}.parquet" for name in ROWS[suite]],
        output:
            f"{OUT}/estimates/{suite}.parquet",
        log:
            f"{OUT}/logs/estimates_{suite}.log",
        benchmark:
            f"{OUT}/benchmarks/estimates_{suite}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"estimates_{suite}"),
        params:
            code=code("estimates"),
            config=CFG.part("seed", "statistics"),
        shell:
            "python -m finer estimates --config {params.config:q}"
            " --items {input.asked} --verdicts {input.verdicts} --out {output} 2> >(tee {log} >&2)"


for suite in COMPARED:

    rule:
        name:
            f"comparisons_{suite}"
        input:
            asked=[f"{OUT}/items/{suite}/{name}.parquet" for name in SUITES[suite]],
            verdicts=[f"{OUT}/verdicts/{name}/{suite}.parquet" for name in CFG.rows],
        output:
            f"{OUT}/estimates/comparisons.{suite}.parquet",
        log:
            f"{OUT}/logs/comparisons_{suite}.log",
        benchmark:
            f"{OUT}/benchmarks/comparisons_{suite}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"comparisons_{suite}"),
        params:
            code=code("comparisons"),
            config=CFG.part("seed", "statistics"),
        shell:
            "python -m finer comparisons --config {params.config:q}"
            " --items {input.asked} --verdicts {input.verdicts} --out {output} 2> >(tee {log} >&2)"


# Ablations are of one benchmark. Verdicts on the others are read, checked and left out.
for benchmark, rows in CFG.ablation_verdicts().items():
    for verb, stem in (
        ("estimates", "ablation"),
        ("comparisons", "comparisons.ablation"),
    ):

        rule:
            name:
                f"{verb}_ablation_{benchmark}"
            input:
                asked=[f"{OUT}/items/finer/{name}.parquet" for name in CFG.tests],
                verdicts=[f"{OUT}/verdicts/{row}.parquet" for row in rows],
            output:
                f"{OUT}/estimates/{stem}.{benchmark}.parquet",
            log:
                f"{OUT}/logs/{verb}_ablation_{benchmark}.log",
            benchmark:
                f"{OUT}/benchmarks/{verb}_ablation_{benchmark}.tsv"
            conda:
                "../../envs/finer.yaml"
            resources:
                **need(f"{verb}_ablation_{benchmark}"),
            params:
                code=code(verb),
                config=CFG.part("seed", "statistics"),
                verb=verb,
                only=benchmark,
            shell:
                "python -m finer {params.verb} --config {params.config:q} --benchmark {params.only}"
                " --items {input.asked} --verdicts {input.verdicts} --out {output} 2> >(tee {log} >&2)"


rule text_ranker:
    input:
        [f"{OUT}/benchmark/{name}/pairs.parquet" for name in CFG.tests],
    output:
        f"{OUT}/estimates/text_ranker.parquet",
    log:
        f"{OUT}/logs/text_ranker.log",
    benchmark:
        f"{OUT}/benchmarks/text_ranker.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("text_ranker"),
    params:
        code=code("text-ranker"),
        config=CFG.part("seed", "statistics"),
    shell:
        "python -m finer text-ranker --config {params.config:q} --pairs {input} --out {output} 2> >(tee {log} >&2)"


# Models of one table that different engines ask are asked by both first.
if CFG.compared():

    rule parity:
        input:
            asked=[f"{OUT}/items/finer/{name}.parquet" for name in CFG.tests],
            images=[PLAN["benchmarks"][name]["images"] for name in CFG.tests],
            model=lookup("models/{model}/checkpoint", within=PLAN),
        output:
            parity=[f"{OUT}/parity/{{model}}.{kind}" for kind in ("parquet", "csv")],
            run=f"{OUT}/parity/{{model}}.run.parquet",
        log:
            f"{OUT}/logs/parity.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/parity.{{model}}.tsv"
        wildcard_constraints:
            model="|".join(CFG.compared()),
        conda:
            software.conda("parity")
        container:
            software.image("parity")
        threads: need.threads("parity")
        resources:
            **need("parity"),
        params:
            code=lookup("models/{model}/parity_code", within=PLAN),
            config=lookup("models/{model}/comparing", within=PLAN),
            engines=lookup("models/{model}/compared", within=PLAN),
        shell:
            "python -m finer parity --config {params.config:q} --code {params.code} --model {wildcards.model}"
            " --engines {params.engines} --asked {input.asked} --out {output.parity} --run {output.run} 2> >(tee {log} >&2)"
