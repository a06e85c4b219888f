# Estimates -> tables, figures and the catalogue.
FORMATS = ("md", "csv", "tex", "html")
# Tables of FINER's multiple-choice questions, each by a verb of its name.
MADE = ["finer_benchmarks", "finer_answering"]
if CFG.evaluation.control_pairs:
    MADE.append("blind_controls")
TABLES = [
    f"{OUT}/tables/{name}.{kind}"
    for name in (
        *MADE,
        *(["audit"] if AUDITED else []),
        *(f"ablation_{name}" for name in CFG.ablations),
    )
    for kind in FORMATS
]
# Both figures need what an imported benchmark does not carry: scene graphs, and how many entities a query names.
DRAWN = ["granularity", "entity_count"] if CFG.graphs() else []
# Main adapters of the models that are rows: what the tables compare.
TUNED_ROWS = [row for row in CFG.rows if row not in CFG.subjects]
if TUNED_ROWS:
    DRAWN.append("training")
FIGURES = [f"{OUT}/figures/{name}.{kind}" for name in DRAWN for kind in ("svg", "png")]


# What the audit asks without verification is the same questions once more: it stays out of the catalogue.
CATALOGUED = {suite: names for suite, names in SUITES.items() if suite != "unverified"}


for table in MADE:

    rule:
        name:
            table
        input:
            estimates=f"{OUT}/estimates/finer.parquet",
            comparisons=(
                f"{OUT}/estimates/comparisons.finer.parquet" if TUNED_ROWS else []
            ),
            runs=[f"{OUT}/responses/{row}/finer.run.parquet" for row in CFG.rows],
            parity=[f"{OUT}/parity/{name}.parquet" for name in CFG.compared()],
            ranker=(
                f"{OUT}/estimates/text_ranker.parquet"
                if table == "blind_controls"
                else []
            ),
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
            verb=f"table-{table}".replace("_", "-"),
            code=code(f"table-{table}".replace("_", "-")),
            config=CFG.layout(),
            ranker=lambda wildcards, input: (
                f" --ranker {input.ranker}" if input.ranker else ""
            ),
        shell:
            "python -m finer {params.verb} --config {params.config:q} --estimates {input.estimates}"
            " --comparisons {input.comparisons}{params.ranker} --runs {input.runs} --parity {input.parity}"
            " --out {output} 2> >(tee {log} >&2)"


for ablation in CFG.ablations:

    rule:
        name:
            f"table_ablation_{ablation}"
        input:
            estimates=f"{OUT}/estimates/ablation.{CFG.ablations[ablation].benchmark}.parquet",
            comparisons=f"{OUT}/estimates/comparisons.ablation.{CFG.ablations[ablation].benchmark}.parquet",
            suites=[
                f"{OUT}/estimates/suites/ablation.{name}.parquet"
                for name in ablation_suites(CFG)
            ],
            suite_comparisons=[
                f"{OUT}/estimates/suites/ablation.{name}.comparisons.parquet"
                for name in ablation_suites(CFG)
            ],
        output:
            [f"{OUT}/tables/ablation_{ablation}.{kind}" for kind in FORMATS],
        log:
            f"{OUT}/logs/table_ablation_{ablation}.log",
        benchmark:
            f"{OUT}/benchmarks/table_ablation_{ablation}.tsv"
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            code=code("table-ablation"),
            config=CFG.layout(ablation=ablation),
            ablation=ablation,
        shell:
            "python -m finer table-ablation --config {params.config:q} --name {params.ablation}"
            " --estimates {input.estimates} --comparisons {input.comparisons} --suites {input.suites}"
            " --suite-comparisons {input.suite_comparisons} --out {output} 2> >(tee {log} >&2)"


rule table_audit:
    input:
        audits=[f"{OUT}/benchmark/{name}/audit.parquet" for name in AUDITED],
        verified=f"{OUT}/estimates/finer.parquet",
        unverified=f"{OUT}/estimates/unverified.parquet",
    output:
        [f"{OUT}/tables/audit.{kind}" for kind in FORMATS],
    log:
        f"{OUT}/logs/table_audit.log",
    benchmark:
        f"{OUT}/benchmarks/table_audit.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("table-audit"),
        config=CFG.layout(),
    shell:
        "python -m finer table-audit --config {params.config:q} --audits {input.audits}"
        " --verified {input.verified} --unverified {input.unverified} --out {output} 2> >(tee {log} >&2)"


rule figure_granularity:
    # The csv holds the numbers that are drawn.
    input:
        f"{OUT}/estimates/granularity.parquet",
    output:
        [f"{OUT}/figures/granularity.{kind}" for kind in ("svg", "png")],
        f"{OUT}/tables/granularity.csv",
    log:
        f"{OUT}/logs/figure_granularity.log",
    benchmark:
        f"{OUT}/benchmarks/figure_granularity.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("figure-granularity"),
        config=CFG.layout(),
    shell:
        "python -m finer figure-granularity --config {params.config:q} --estimates {input} --out {output}"
        " 2> >(tee {log} >&2)"


rule figure_entity_count:
    # The csv holds the numbers that are drawn.
    input:
        f"{OUT}/estimates/finer.parquet",
    output:
        [f"{OUT}/figures/entity_count.{kind}" for kind in ("svg", "png")],
        f"{OUT}/tables/entity_count.csv",
    log:
        f"{OUT}/logs/figure_entity_count.log",
    benchmark:
        f"{OUT}/benchmarks/figure_entity_count.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("figure-entity-count"),
        config=CFG.layout(),
    shell:
        "python -m finer figure-entity-count --config {params.config:q} --estimates {input} --out {output}"
        " 2> >(tee {log} >&2)"


rule figure_training:
    # The csv holds the numbers that are drawn.
    input:
        [f"{OUT}/tuning/logs/{row}.parquet" for row in TUNED_ROWS],
    output:
        [f"{OUT}/figures/training.{kind}" for kind in ("svg", "png")],
        f"{OUT}/tables/training.csv",
    log:
        f"{OUT}/logs/figure_training.log",
    benchmark:
        f"{OUT}/benchmarks/figure_training.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("figure-training"),
        config=CFG.layout(),
    shell:
        "python -m finer figure-training --config {params.config:q} --logs {input} --out {output}"
        " 2> >(tee {log} >&2)"


rule catalogue:
    # Views on every table of this configuration: one process writes the file, so it is one local rule.
    input:
        [f"{OUT}/estimates/{suite}.parquet" for suite in CATALOGUED],
        [
            f"{OUT}/parity/{name}{part}.parquet"
            for name in CFG.compared()
            for part in ("", ".run")
        ],
        [f"{OUT}/estimates/comparisons.{suite}.parquet" for suite in COMPARED],
        [
            f"{OUT}/tuning/{part}/{row}.parquet"
            for row in TUNED_ROWS
            for part in ("logs", "runs")
        ],
        [
            f"{OUT}/{part}/suites/{name}{kind}.parquet"
            for name in CFG.suites
            for part, kinds in (
                ("estimates", ("", ".comparisons")),
                ("items", [f".{wording}" for wording in CFG.wordings(name)]),
            )
            for kind in kinds
        ],
        [
            f"{OUT}/{part}/{row}/suites.{name}.parquet"
            for row in CFG.rows
            for name in CFG.suites
            for part in ("responses", "verdicts")
        ],
        [
            f"{OUT}/responses/{row}/{group}_suites.run.parquet"
            for group, entry in suite_groups(CFG).items()
            for row in entry.models
            if row in CFG.rows
        ],
        [
            f"{OUT}/judgements/{row}/{name}{suffix}.parquet"
            for row in CFG.rows
            for name in CFG.suites
            if PLAN["suites"][name]["judged"]
            for suffix in ("", *([".second"] if CFG.evaluation.second_judge else []))
        ],
        [
            f"{OUT}/judgements/{row}/{group}_suites{suffix}.{part}.parquet"
            for group, entry in suite_groups(CFG).items()
            for row in entry.models
            if row in CFG.rows
            if any(PLAN["suites"][name]["judged"] for name in entry.suites)
            for suffix in ("", *([".second"] if CFG.evaluation.second_judge else []))
            for part in ("calls", "run")
        ],
        [
            f"{OUT}/tuning/{name}/{table}.{part}.parquet"
            for role, table in (("phraser", "phrases"), ("editor", "edits"))
            if CFG.role(role)
            for name, source in CFG.preferences.sources.items()
            if source.reader != "sharegpt"
            for part in ("calls", "run")
        ],
        [
            f"{OUT}/verdicts/{name}/{suite}.parquet"
            for name in CFG.rows
            for suite in CATALOGUED
        ],
        [
            f"{OUT}/responses/{name}/{suite}.{part}.parquet"
            for name in CFG.rows
            for suite, benchmarks in CATALOGUED.items()
            for part in (*benchmarks, "run")
        ],
        [
            f"{OUT}/items/{suite}/{name}.parquet"
            for suite, benchmarks in CATALOGUED.items()
            for name in benchmarks
        ],
        [
            f"{OUT}/benchmark/{name}/{table}.parquet"
            for name in CFG.tests
            for table in ("images", "pairs")
        ],
        [
            f"{OUT}/benchmark/{name}/{table}.parquet"
            for name in CFG.graphs()
            for table in (
                "elements",
                "negatives",
                "negative_checks",
                "granularity",
                *DROPS,
            )
        ],
        [
            f"{OUT}/benchmark/{name}/rounds/checks.{k}.run.parquet"
            for name in CFG.graphs()
            for k in VERIFIED
        ],
        [f"{OUT}/benchmark/{name}/captions.parquet" for name in CFG.captioned()],
        [
            f"{OUT}/benchmark/{name}/elements.{part}.parquet"
            for name in CFG.asked_for_graphs()
            for part in ("calls", "run")
        ],
        [
            f"{OUT}/benchmark/{name}/rounds/negatives.{k}.{part}.parquet"
            for name in CFG.asked_for_negatives()
            for k in ROUNDS
            for part in ("calls", "run")
        ],
        [
            f"{OUT}/benchmark/{name}/{table}.parquet"
            for name in AUDITED
            for table in ("truths", "audit")
        ],
        (f"{OUT}/estimates/text_ranker.parquet" if CFG.evaluation.control_pairs else []),
    output:
        f"{OUT}/finer.duckdb",
    log:
        f"{OUT}/logs/catalogue.log",
    benchmark:
        f"{OUT}/benchmarks/catalogue.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("catalogue"),
    shell:
        "python -m finer catalogue --files {input} --out {output} 2> >(tee {log} >&2)"


rule examples:
    # What a reader should see before any number.
    input:
        asked=[f"{OUT}/items/finer/{name}.parquet" for name in CFG.tests],
        verdicts=[f"{OUT}/verdicts/{name}/finer.parquet" for name in CFG.rows],
        images=[f"{OUT}/benchmark/{name}/images.parquet" for name in CFG.tests],
    output:
        examples=f"{OUT}/tables/examples.md",
        sheet=f"{OUT}/figures/contact_sheet.png",
    log:
        f"{OUT}/logs/examples.log",
    benchmark:
        f"{OUT}/benchmarks/examples.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("examples"),
        config=CFG.layout(),
        seed=CFG.seed,
    shell:
        "python -m finer examples --config {params.config:q} --seed {params.seed} --items {input.asked}"
        " --verdicts {input.verdicts} --images {input.images} --out {output.examples} --sheet {output.sheet}"
        " 2> >(tee {log} >&2)"


rule times:
    # Not among the compared tables: clocks differ. It waits for all others, so that it can add up their jobs.
    input:
        TABLES,
        FIGURES,
        rules.catalogue.output,
    output:
        [f"{OUT}/times.{kind}" for kind in ("md", "csv")],
    log:
        f"{OUT}/logs/times.log",
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("table-times"),
        folder=f"{OUT}/benchmarks",
    shell:
        "python -m finer table-times --folder {params.folder} --out {output} 2> >(tee {log} >&2)"
