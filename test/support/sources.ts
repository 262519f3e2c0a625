import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

export const ROOT = resolve(import.meta.dirname, '../..')

export type Import = {
  /** Path below the project's root, or the bare name of a package or of node's own module. */
  readonly target: string
  readonly isTypeOnly: boolean
  readonly isDynamic: boolean
}

export type Source = { readonly path: string; readonly text: string; readonly imports: readonly Import[] }

/** The TypeScript files below the given folders, with what they import. */
export function readSources(...folders: readonly string[]): readonly Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readSource(join(folder, name))),
  )
}

function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  return { path, text, imports: listImports(path, text) }
}

function listImports(path: string, text: string): readonly Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean, isDynamic: boolean): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return
    found.push({ target: resolveTarget(path, specifier.text), isTypeOnly, isDynamic })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyImport(node), false)
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly, false)
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, true)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
  return found
}

function isTypeOnlyImport({ importClause: clause }: ts.ImportDeclaration): boolean {
  if (!clause) return false
  if (clause.isTypeOnly) return true
  const names = clause.namedBindings
  return (
    !clause.name &&
    names !== undefined &&
    ts.isNamedImports(names) &&
    names.elements.every((element) => element.isTypeOnly)
  )
}

function resolveTarget(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return relative(ROOT, resolve(ROOT, dirname(from), specifier))
  if (builtinModules.includes(specifier)) return `node:${specifier}`
  return specifier
}

/** A program text without its comments and without the contents of its strings. */
export function stripCommentsAndStrings(text: string): string {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false, ts.LanguageVariant.Standard, text)
  let stripped = ''
  for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    const isTrivia =
      kind === ts.SyntaxKind.SingleLineCommentTrivia || kind === ts.SyntaxKind.MultiLineCommentTrivia
    if (!isTrivia) stripped += kind === ts.SyntaxKind.StringLiteral ? "''" : scanner.getTokenText()
  }
  return stripped
}
