# Evaluation suites: official files -> items -> responses -> verdicts -> numbers -> tables.
# Suites of a group are asked, judged and scored by one job a model: each start costs more than its work.
GROUPS = suite_groups(CFG)
JUDGED = [name for name in CFG.suites if PLAN["suites"][name]["judged"]]
# Who judges, and what distinguishes the files of judgements; the suites' numbers are the first judge's.
JUDGES = {"judge": ""} | (
    {"second_judge": ".second"} if CFG.evaluation.second_judge else {}
)
WORLD_SUITES = [name for name in CFG.suites if CFG.world is not None]
SUITE_TABLES = {
    name: CFG.suites_of(table)
    for name, table in (
        ("hallucination_suites", "hallucination"),
        ("hallucination_splits", "hallucination"),
        ("general_suites", "general"),
    )
    if CFG.suites_of(table)
}
# How far two judges agree, where two are configured.
AGREEMENT = [
    f"{OUT}/tables/judge_agreement.{kind}"
    for kind in FORMATS
    if JUDGED and len(JUDGES) > 1
]


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
        **need("world_suite"),
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
        lookup("suites/{evaluated}/shown", within=PLAN),
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
        **need("items_suite"),
    params:
        code=lookup("suites/{evaluated}/items_code", within=PLAN),
        config=lookup("suites/{evaluated}/read", within=PLAN),
    shell:
        "python -m finer items-suite --config {params.config:q} --wording {wildcards.wording} --out {output.asked}"
        " --drops {output.drops} 2> >(tee {log} >&2)"


for group, entry in GROUPS.items():
    if not entry.asked:
        continue

    rule:
        name:
            f"answer_{group}_suites"
        input:
            asked=lookup(f"models/{{model}}/asked/{group}", within=PLAN),
            model=lookup("models/{model}/path", within=PLAN),
            adapter=lookup("models/{model}/adapter", within=PLAN),
        output:
            responses=[
                f"{OUT}/responses/{{model}}/suites.{name}.parquet"
                for name in entry.suites
            ],
            run=f"{OUT}/responses/{{model}}/{group}_suites.run.parquet",
        log:
            f"{OUT}/logs/answer_{group}_suites.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/answer_{group}_suites.{{model}}.tsv"
        wildcard_constraints:
            model=entry.pattern,
        conda:
            software.conda(f"answer_{group}_suites")
        container:
            software.image(f"answer_{group}_suites")
        threads: need.threads(f"answer_{group}_suites")
        resources:
            **need(f"answer_{group}_suites"),
        params:
            code=lookup("models/{model}/answer_code", within=PLAN),
            model=lookup("models/{model}/load", within=PLAN),
            config=CFG.asking(),
        shell:
            "python -m finer answer --config {params.config:q} --load {params.model:q} --code {params.code} --model {wildcards.model}"
            " --items {input.asked} --out {output.responses} --run {output.run} 2> >(tee {log} >&2)"


for group, entry in GROUPS.items():
    for role, suffix in JUDGES.items():
        verb = "judge-suites-by-model" if CFG.role(role) else "judge-suites"
        judged = [name for name in entry.suites if name in JUDGED]
        if not judged:
            continue

        rule:
            # Every request and reply is kept; what is on file is not asked again.
            name:
                f"{role}_{group}_suites"
            input:
                asked=lookup(f"models/{{model}}/judged/{group}", within=PLAN),
                responses=[
                    f"{OUT}/responses/{{model}}/suites.{name}.parquet"
                    for name in judged
                ],
            output:
                judgements=[
                    f"{OUT}/judgements/{{model}}/{name}{suffix}.parquet"
                    for name in judged
                ],
                calls=f"{OUT}/judgements/{{model}}/{group}_suites{suffix}.calls.parquet",
                run=f"{OUT}/judgements/{{model}}/{group}_suites{suffix}.run.parquet",
            log:
                f"{OUT}/logs/{role}_{group}_suites.{{model}}.log",
            benchmark:
                f"{OUT}/benchmarks/{role}_{group}_suites.{{model}}.tsv"
            wildcard_constraints:
                model=entry.pattern,
            conda:
                software.conda(f"{role}_{group}_suites")
            container:
                software.image(f"{role}_{group}_suites")
            threads: need.threads(f"{role}_{group}_suites")
            resources:
                **need(f"{role}_{group}_suites"),
                chat=1,
            params:
                verb=verb,
                code=suite_code(
                    verb, [PLAN["suites"][name]["module"] for name in judged]
                ),
                suites=[PLAN["suites"][name]["module"] for name in judged],
                chat=["--chat", CFG.role(role, access=False)] if CFG.role(role) else [],
            shell:
                "python -m finer {params.verb} --suites {params.suites} {params.chat:q} --code {params.code} --items {input.asked} --responses {input.responses}"
                " --out {output.judgements} --calls {output.calls} --run {output.run} 2> >(tee {log} >&2)"


for group, entry in GROUPS.items():

    rule:
        name:
            f"verdicts_{group}_suites"
        input:
            asked=lookup(f"models/{{model}}/asked/{group}", within=PLAN),
            responses=[
                f"{OUT}/responses/{{model}}/suites.{name}.parquet"
                for name in entry.suites
            ],
            judgements=[
                f"{OUT}/judgements/{{model}}/{name}.parquet"
                for name in entry.suites
                if name in JUDGED
            ],
        output:
            [f"{OUT}/verdicts/{{model}}/suites.{name}.parquet" for name in entry.suites],
        log:
            f"{OUT}/logs/verdicts_{group}_suites.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/verdicts_{group}_suites.{{model}}.tsv"
        wildcard_constraints:
            model=entry.pattern,
        conda:
            "../../envs/finer.yaml"
        resources:
            **need(f"verdicts_{group}_suites"),
        params:
            code=suite_code(
                "verdicts-suites",
                [PLAN["suites"][name]["module"] for name in entry.suites],
            ),
            suites=[PLAN["suites"][name]["module"] for name in entry.suites],
        shell:
            "python -m finer verdicts-suites --suites {params.suites} --items {input.asked} --responses {input.responses}"
            " --judgements {input.judgements} --out {output} 2> >(tee {log} >&2)"


rule estimates_suite:
    # Of a suite's rows in the tables, or of the ablations' rows.
    input:
        asked=lookup("estimates/{estimated}/asked", within=PLAN),
        verdicts=lookup("estimates/{estimated}/verdicts", within=PLAN),
    output:
        estimates=f"{OUT}/estimates/suites/{{estimated}}.parquet",
        comparisons=f"{OUT}/estimates/suites/{{estimated}}.comparisons.parquet",
    log:
        f"{OUT}/logs/estimates_suite.{{estimated}}.log",
    benchmark:
        f"{OUT}/benchmarks/estimates_suite.{{estimated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("estimates_suite"),
    params:
        code=lookup("estimates/{estimated}/code", within=PLAN),
        suite=lookup("estimates/{estimated}/module", within=PLAN),
        name=lookup("estimates/{estimated}/suite", within=PLAN),
        config=CFG.part("seed", "statistics"),
    shell:
        "python -m finer estimates-suite --config {params.config:q} --suite {params.suite} --name {params.name}"
        " --items {input.asked} --verdicts {input.verdicts} --out {output.estimates} --comparisons {output.comparisons}"
        " 2> >(tee {log} >&2)"


rule judge_agreement:
    input:
        asked=[file for name in JUDGED for file in PLAN["estimates"][name]["asked"]],
        judgements=[
            f"{OUT}/judgements/{row}/{name}.parquet"
            for name in JUDGED
            for row in CFG.suite_rows(name)
        ],
        second=[
            f"{OUT}/judgements/{row}/{name}.second.parquet"
            for name in JUDGED
            for row in CFG.suite_rows(name)
        ],
    output:
        f"{OUT}/estimates/judge_agreement.parquet",
    log:
        f"{OUT}/logs/judge_agreement.log",
    benchmark:
        f"{OUT}/benchmarks/judge_agreement.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("judge_agreement"),
    params:
        code=code("judge-agreement"),
        config=CFG.part("seed", "statistics"),
        suites=JUDGED,
    shell:
        "python -m finer judge-agreement --config {params.config:q} --suites {params.suites} --items {input.asked}"
        " --judgements {input.judgements} --second {input.second} --out {output} 2> >(tee {log} >&2)"


rule table_judge_agreement:
    input:
        f"{OUT}/estimates/judge_agreement.parquet",
    output:
        [f"{OUT}/tables/judge_agreement.{kind}" for kind in FORMATS],
    log:
        f"{OUT}/logs/table_judge_agreement.log",
    benchmark:
        f"{OUT}/benchmarks/table_judge_agreement.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("table-judge-agreement", *CFG.suite_modules()),
        config=CFG.judging(),
    shell:
        "python -m finer table-judge-agreement --config {params.config:q} --agreement {input} --out {output}"
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
            runs=[
                f"{OUT}/responses/{row}/{table.split('_')[0]}_suites.run.parquet"
                for row in CFG.rows
            ],
            parity=[f"{OUT}/parity/{name}.parquet" for name in CFG.compared()],
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
            " --comparisons {input.comparisons} --runs {input.runs} --parity {input.parity} --out {output}"
            " 2> >(tee {log} >&2)"


rule suites:
    # All tables of evaluation suites.
    input:
        [f"{OUT}/tables/{name}.{kind}" for name in SUITE_TABLES for kind in FORMATS],
        AGREEMENT,
    localrule: True
