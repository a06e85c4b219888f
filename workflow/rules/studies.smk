# Studies: models that differ in one thing only (share of negatives in training, seed), on the same questions.
STUDIED = [suite for suite in ("finer", "granularity") if suite in SUITES]


for suite in STUDIED:

    rule:
        name:
            f"estimates_study_{suite}"
        input:
            asked=[f"{OUT}/items/{suite}/{name}.parquet" for name in SUITES[suite]],
            verdicts=[f"{OUT}/verdicts/{name}/{suite}.parquet" for name in CFG.studied],
        output:
            f"{OUT}/estimates/study.{suite}.parquet",
        log:
            f"{OUT}/logs/estimates_study_{suite}.log",
        benchmark:
            f"{OUT}/benchmarks/estimates_study_{suite}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"estimates_study_{suite}"),
        params:
            code=code("estimates"),
            config=CFG.part("seed", "statistics"),
        shell:
            "python -m finer estimates --config {params.config:q}"
            " --items {input.asked} --verdicts {input.verdicts} --out {output} 2> >(tee {log} >&2)"


for study in CFG.studies:

    rule:
        name:
            f"table_study_{study}"
        input:
            [f"{OUT}/estimates/study.{suite}.parquet" for suite in STUDIED],
        output:
            [f"{OUT}/studies/{study}.{kind}" for kind in FORMATS],
        log:
            f"{OUT}/logs/table_study_{study}.log",
        benchmark:
            f"{OUT}/benchmarks/table_study_{study}.tsv"
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            code=code("table-study"),
            config=CFG.layout(study),
            title=CFG.studies[study].title,
            study=f"study_{study}",
        shell:
            "python -m finer table-study --config {params.config:q} --name {params.study} --title {params.title:q}"
            " --estimates {input} --out {output} 2> >(tee {log} >&2)"

    rule:
        name:
            f"figure_study_{study}"
        input:
            [f"{OUT}/estimates/study.{suite}.parquet" for suite in STUDIED],
        output:
            [f"{OUT}/studies/{study}.{kind}" for kind in ("svg", "png")],
        log:
            f"{OUT}/logs/figure_study_{study}.log",
        benchmark:
            f"{OUT}/benchmarks/figure_study_{study}.tsv"
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            code=code("figure-study"),
            config=CFG.layout(study),
            title=CFG.studies[study].title,
        shell:
            "python -m finer figure-study --config {params.config:q} --title {params.title:q}"
            " --estimates {input} --out {output} 2> >(tee {log} >&2)"


rule studies:
    # Not part of the default target: further models are asked everything.
    input:
        [f"{OUT}/studies/{study}.{kind}" for study in CFG.studies for kind in FORMATS],
        [
            f"{OUT}/studies/{study}.{kind}"
            for study in CFG.studies
            for kind in ("svg", "png")
        ],
    localrule: True
